/**
 * Lets the control plane crash at each of its steps: a step is a request to the database or a push
 * to a hub. At the chosen one the process is gone: before the step, or after it and before its
 * answer. Whatever the process would have done later does not happen.
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

/** How many steps the work takes when nothing crashes. */
export async function countSteps(
  context: ServiceContext,
  work: (context: ServiceContext) => Promise<unknown>,
): Promise<number> {
  const process = new DoomedProcess(context, { step: Infinity, moment: "before" });
  await process.run(work);
  return process.steps;
}

/** Does the work in a process that crashes. The value says whether it did. */
export async function crashAt(
  context: ServiceContext,
  point: CrashPoint,
  work: (context: ServiceContext) => Promise<unknown>,
): Promise<boolean> {
  const process = new DoomedProcess(context, point);
  try {
    await process.run(work);
    return false;
  } catch (error) {
    if (process.isGone) {
      return true;
    }
    throw error;
  }
}

class DoomedProcess {
  steps = 0;
  isGone = false;
  readonly #context: ServiceContext;
  readonly #point: CrashPoint;

  constructor(context: ServiceContext, point: CrashPoint) {
    this.#context = context;
    this.#point = point;
  }

  async run(work: (context: ServiceContext) => Promise<unknown>): Promise<void> {
    const whole = globalThis.fetch;
    globalThis.fetch = async (...request) => await this.#step(async () => await whole(...request));
    const { hubs } = this.#context;
    try {
      await work({
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
    if (this.isGone) {
      throw new ProcessGone();
    }
    this.steps += 1;
    const isLast = this.steps === this.#point.step;
    if (isLast && this.#point.moment === "before") {
      this.isGone = true;
      throw new ProcessGone();
    }
    const value = await act();
    if (isLast) {
      this.isGone = true;
      throw new ProcessGone();
    }
    return value;
  }
}
