/**
 * Lets the control plane crash, or something else happen, at each of its steps: a step is a request
 * to the database or a push to a hub. At the chosen one the process is gone: before the step, or
 * after it and before its answer. Whatever the process would have done later does not happen.
 */
import type { ServiceContext } from "../../worker/services/context.ts";

export class ProcessGone extends Error {
  override readonly name = "ProcessGone";
}

export interface CrashPoint {
  /** From 1; one beyond the last step never comes. */
  readonly step: number;
  /** Whether the step itself still happens. */
  readonly moment: "before" | "after";
}

/** How many steps the work takes when nothing happens. */
export async function countSteps(
  context: ServiceContext,
  work: (context: ServiceContext) => Promise<unknown>,
): Promise<number> {
  const process = new WatchedProcess(context, { step: Infinity, moment: "before" }, nothing);
  await process.run(work);
  return process.steps;
}

/** Does the work in a process that crashes. The value says whether it did. */
export async function crashAt(
  context: ServiceContext,
  point: CrashPoint,
  work: (context: ServiceContext) => Promise<unknown>,
): Promise<boolean> {
  let isGone = false;
  const process = new WatchedProcess(context, point, () => {
    isGone = true;
    throw new ProcessGone();
  });
  try {
    await process.run(work);
    return false;
  } catch (error) {
    if (isGone) {
      return true;
    }
    throw error;
  }
}

/** Does the work, and at the point in it something else. The value is the work's. */
export async function interruptAt<Value>(
  context: ServiceContext,
  point: CrashPoint & { readonly by: () => Promise<unknown> },
  work: (context: ServiceContext) => Promise<Value>,
): Promise<Value> {
  const process = new WatchedProcess(context, point, async () => {
    await point.by();
  });
  return await process.run(work);
}

class WatchedProcess {
  steps = 0;
  /** Steps of what happens at the point are not the process's own. */
  #isElsewhere = false;
  #isGone = false;
  readonly #context: ServiceContext;
  readonly #point: CrashPoint;
  readonly #happens: () => Promise<void> | void;

  constructor(context: ServiceContext, point: CrashPoint, happens: () => Promise<void> | void) {
    this.#context = context;
    this.#point = point;
    this.#happens = happens;
  }

  async run<Value>(work: (context: ServiceContext) => Promise<Value>): Promise<Value> {
    const whole = globalThis.fetch;
    globalThis.fetch = async (...request) => await this.#step(async () => await whole(...request));
    const { hubs } = this.#context;
    try {
      return await work({
        ...this.#context,
        hubs: {
          ...hubs,
          push: async (...push) => await this.#step(async () => await hubs.push(...push)),
        },
      });
    } finally {
      globalThis.fetch = whole;
    }
  }

  async #step<Value>(act: () => Promise<Value>): Promise<Value> {
    if (this.#isElsewhere) {
      return await act();
    }
    if (this.#isGone) {
      throw new ProcessGone();
    }
    this.steps += 1;
    const isPoint = this.steps === this.#point.step;
    if (isPoint && this.#point.moment === "before") {
      await this.#happen();
    }
    const value = await act();
    if (isPoint && this.#point.moment === "after") {
      await this.#happen();
    }
    return value;
  }

  async #happen(): Promise<void> {
    this.#isElsewhere = true;
    try {
      await this.#happens();
    } catch (error) {
      this.#isGone = true;
      throw error;
    } finally {
      this.#isElsewhere = false;
    }
  }
}

function nothing(): void {}
