/** The keeper of one part, with lives that the test ends and time that it lets pass. */
import { describe, expect, it } from "vitest";
import { Keeper, type KeptPart, type RunningPart } from "../../../worker/selfhost/keeper.ts";
import { RESTART_LIMITS } from "../../../worker/selfhost/restart-rules.ts";

class Life implements RunningPart {
  readonly #ready = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<string>();
  isStopped = false;

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  get ended(): Promise<string> {
    return this.#ended.promise;
  }

  serve(): void {
    this.#ready.resolve();
  }

  end(how: string): void {
    this.#ready.reject(new Error(`it ended (${how})`));
    this.#ended.resolve(how);
  }

  stop(): Promise<void> {
    this.isStopped = true;
    this.end("SIGTERM");
    return Promise.resolve();
  }
}

class Bench {
  readonly lives: Life[] = [];
  readonly told: string[] = [];
  readonly keeper: Keeper;
  #nowMs = 0;
  readonly #waits: { readonly delayMs: number; readonly pass: () => void }[] = [];
  #arrival = Promise.withResolvers<void>();

  constructor() {
    const part: KeptPart = {
      name: "The part",
      begin: () => {
        const life = new Life();
        this.lives.push(life);
        this.#arrive();
        return life;
      },
    };
    this.keeper = new Keeper(part, {
      nowMs: () => this.#nowMs,
      wait: (delayMs, signal) => this.#wait(delayMs, signal),
      tell: (line) => {
        this.told.push(line);
        this.#arrive();
      },
    });
  }

  get last(): Life {
    return this.lives.at(-1) ?? new Life();
  }

  async started(): Promise<this> {
    const starting = this.keeper.start();
    this.last.serve();
    await starting;
    return this;
  }

  /** Resolves once something told, waited for or begun makes it true. */
  async until(isReached: () => boolean): Promise<void> {
    while (!isReached()) {
      await this.#arrival.promise;
    }
  }

  async untilWaiting(): Promise<void> {
    await this.until(() => this.#waits.length > 0);
  }

  /** Lets the time of a wait pass. */
  endWait(): void {
    const wait = this.#waits.shift();
    this.#nowMs += wait?.delayMs ?? 0;
    wait?.pass();
  }

  async nextLife(): Promise<Life> {
    const count = this.lives.length;
    await this.untilWaiting();
    this.endWait();
    await this.until(() => this.lives.length > count);
    return this.last;
  }

  #wait(delayMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(new Error("aborted")), { once: true });
      this.#waits.push({ delayMs, pass: resolve });
      this.#arrive();
    });
  }

  #arrive(): void {
    this.#arrival.resolve();
    this.#arrival = Promise.withResolvers<void>();
  }
}

describe("the keeper of a part", () => {
  it("starts it again when it ends, and tells both", async () => {
    const bench = await new Bench().started();
    bench.last.end("SIGKILL");
    const again = await bench.nextLife();
    again.serve();
    await bench.until(() => bench.told.includes("The part serves again."));
    expect(bench.told[0]).toBe("The part ended (SIGKILL); it is started again in 100 ms.");
    expect(bench.lives).toHaveLength(2);
  });

  it("refuses a first start that fails, without trying again", async () => {
    const bench = new Bench();
    const starting = bench.keeper.start();
    bench.last.end("exit code 1");
    await expect(starting).rejects.toThrow("it ended (exit code 1)");
    expect(bench.lives).toHaveLength(1);
    expect(bench.told).toEqual([]);
  });

  it("gives up with a sentence when it ends over and over, served or not", async () => {
    const bench = await new Bench().started();
    for (let ends = 1; ends <= RESTART_LIMITS.endsMax; ends += 1) {
      bench.last.end("exit code 1");
      const life = await bench.nextLife();
      if (ends % 2 === 0) {
        life.serve();
      }
    }
    bench.last.end("exit code 7");
    expect(await bench.keeper.gaveUp).toBe(
      "The part ended 7 times within 60 s, at last with exit code 7: it is not started again.",
    );
  });

  it("ends the life that runs, and begins no other", async () => {
    const bench = await new Bench().started();
    await bench.keeper.stop();
    expect(bench.last.isStopped).toBe(true);
    expect(bench.lives).toHaveLength(1);
    expect(bench.told).toEqual([]);
  });

  it.each([
    ["while it waits", false],
    ["at the moment at which the wait is over", true],
  ])("begins no other when it is stopped %s", async (_when, isOver) => {
    const bench = await new Bench().started();
    bench.last.end("SIGKILL");
    await bench.untilWaiting();
    if (isOver) {
      bench.endWait();
    }
    await bench.keeper.stop();
    await new Promise(setImmediate);
    expect(bench.lives).toHaveLength(1);
  });
});
