/** The watch over one part, with answers that the test gives and time that passes by itself. */
import { describe, expect, it } from "vitest";
import type { RunningPart } from "../../../worker/selfhost/keeper.ts";
import { watched } from "../../../worker/selfhost/watch.ts";
import { WATCH_LIMITS } from "../../../worker/selfhost/watch-rules.ts";

class Bench {
  readonly told: string[] = [];
  readonly part: RunningPart;
  questions = 0;
  readonly ready = Promise.withResolvers<void>();
  readonly ended = Promise.withResolvers<string>();
  #nowMs = 0;
  #waits = 0;

  /** @param answers to one question after the other; when they are used up, time stands still */
  constructor(answers: readonly boolean[]) {
    const part = {
      ready: this.ready.promise,
      ended: this.ended.promise,
      stop: () => Promise.resolve(this.ended.resolve("SIGTERM")),
    };
    this.part = watched(part, {
      name: "The part",
      limits: WATCH_LIMITS,
      nowMs: () => this.#nowMs,
      wait: (delayMs, signal) => this.#wait(delayMs, signal, answers.length),
      ask: (deadlineMs) => {
        const isAnswered = answers[this.questions] ?? false;
        this.questions += 1;
        this.#nowMs += isAnswered ? 1 : deadlineMs;
        return Promise.resolve(isAnswered);
      },
      kill: () => this.ended.resolve("SIGKILL"),
      tell: (line) => this.told.push(line),
    });
  }

  /** Lets everything happen that can. */
  async settle(): Promise<this> {
    this.ready.resolve();
    await new Promise(setImmediate);
    return this;
  }

  async #wait(delayMs: number, signal: AbortSignal, waitsMax: number): Promise<void> {
    this.#waits += 1;
    if (this.#waits > waitsMax) {
      await new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(new Error("aborted")), { once: true });
      });
    }
    this.#nowMs += delayMs;
  }
}

const NEVER = [false, false, false, false];

describe("the watch over a part", () => {
  it("kills one that answers nothing, and tells it", async () => {
    const bench = await new Bench([true, ...NEVER, false]).settle();
    expect(await bench.part.ended).toBe("SIGKILL");
    expect(bench.told).toEqual(["The part runs and has answered nothing for 70 s: it is killed."]);
    expect(bench.questions).toBe(5);
  });

  it("leaves one alone that answers now and then", async () => {
    const busy = [false, false, false, true];
    const bench = await new Bench([...busy, ...busy, ...busy]).settle();
    expect(bench.questions).toBe(12);
    expect(bench.told).toEqual([]);
  });

  it("asks nothing before the part is ready", async () => {
    const bench = new Bench(NEVER);
    await new Promise(setImmediate);
    expect(bench.questions).toBe(0);
  });

  it.each([
    ["has ended", (bench: Bench) => bench.ended.resolve("exit code 1")],
    ["is asked to end", (bench: Bench) => void bench.part.stop()],
  ])("is over when the part %s", async (_what, end) => {
    const bench = new Bench(NEVER);
    bench.ready.resolve();
    end(bench);
    await bench.settle();
    expect(bench.questions).toBeLessThan(2);
    expect(bench.told).toEqual([]);
  });
});
