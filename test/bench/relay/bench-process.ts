/**
 * A process of the benchmark that is asked over its standard input and answers on its standard
 * output, one JSON text a line. Both ends are here, so that they cannot disagree.
 */
import { createInterface } from "node:readline";
import { type RunningChild, startChild } from "../../harness/child-process.ts";
import { withDeadline } from "../../harness/deadline.ts";
import { pinned } from "./cores.ts";

/** The asking end. */
export class BenchProcess implements AsyncDisposable {
  readonly #child: RunningChild;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #asked = 0;

  private constructor(child: RunningChild) {
    this.#child = child;
    child.onLine((line) => {
      const answer = JSON.parse(line) as { id: number; value?: unknown; error?: string };
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if (answer.error === undefined) {
        waiting?.resolve(answer.value);
      } else {
        waiting?.reject(new Error(answer.error));
      }
    });
  }

  /** Starts a TypeScript file of this folder on the given cores. */
  static start(file: string, place: "proxy" | "load"): BenchProcess {
    const path = new URL(file, import.meta.url).pathname;
    return new BenchProcess(startChild(pinned(process.execPath, [path], place)));
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** What the process answers; its type is a promise between the two files. */
  async ask<Answer>(question: object, timeoutMs = ASK_TIMEOUT_MS): Promise<Answer> {
    this.#asked += 1;
    const id = this.#asked;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    this.#child.write(`${JSON.stringify({ id, question })}\n`);
    const exited = this.#child.exited.then(() => {
      throw new Error(`a process of the benchmark ended: ${this.#child.output("stderr")}`);
    });
    const what = JSON.stringify(question).slice(0, 80);
    return (await withDeadline(Promise.race([answer.promise, exited]), timeoutMs, what)) as Answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}

/** The answering end: questions may overlap. Ends with its standard input. */
export function answerQuestions<Question>(answer: (question: Question) => Promise<unknown>): void {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    const { id, question } = JSON.parse(line) as { id: number; question: Question };
    const reply = (message: object): void => {
      process.stdout.write(`${JSON.stringify({ id, ...message })}\n`);
    };
    answer(question).then(
      (value) => {
        reply({ value });
      },
      (error: unknown) => {
        reply({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
      },
    );
  });
  lines.once("close", () => {
    process.exit();
  });
}

const ASK_TIMEOUT_MS = 120_000;
