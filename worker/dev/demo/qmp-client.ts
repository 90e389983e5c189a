/**
 * A client of QEMU's monitor protocol (QMP): one JSON object a line, over a stream that is already
 * connected. It sends one command at a time and matches replies by order, as QEMU answers in order.
 * Events are ignored. It knows nothing of what the commands mean.
 */
import type { Duplex } from "node:stream";
import { fail, ok, type Result } from "#shared/base/result.ts";

/** QMP over one connected stream. Ends with the stream; owns nothing else. */
export class QmpClient {
  readonly #stream: Duplex;
  readonly #waiting: Waiter[] = [];
  #unread = "";
  #ended: string | null = null;

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => this.#onText(text));
    stream.on("close", () => this.#end("QEMU closed its monitor"));
    stream.on("error", (error) => this.#end(error.message));
  }

  /**
   * Runs one command and waits for its answer. The failure is QEMU's own sentence, or why no answer
   * came. QEMU's answer to `qmp_capabilities` must come first; it also tells that QEMU is running.
   */
  execute(
    command: string,
    args: Readonly<Record<string, unknown>> = {},
    timeoutMs: number = COMMAND_TIMEOUT_MS,
  ): Promise<Result<unknown, string>> {
    if (this.#ended !== null) {
      return Promise.resolve(fail(this.#ended));
    }
    return new Promise((resolve) => {
      // Why the whole client ends: a reply that comes later would be taken for the next command's.
      const deadline = setTimeout(() => {
        this.#end(`QEMU did not answer ${command} within ${timeoutMs} ms`);
      }, timeoutMs);
      this.#waiting.push((result) => {
        clearTimeout(deadline);
        resolve(result);
      });
      this.#stream.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    });
  }

  /** Lets go of the stream. Commands that wait fail. */
  close(): void {
    this.#end("the monitor was closed");
    this.#stream.destroy();
  }

  #onText(text: string): void {
    const lines = (this.#unread + text).split("\n");
    this.#unread = lines.pop() ?? "";
    for (const line of lines) {
      this.#onLine(line);
    }
    if (this.#unread.length > LINE_LENGTH_MAX) {
      this.#end(`QEMU sent a line of more than ${LINE_LENGTH_MAX} characters`);
      this.#stream.destroy();
    }
  }

  #onLine(line: string): void {
    if (line.trim() === "") {
      return;
    }
    let message: QmpMessage;
    try {
      message = JSON.parse(line) as QmpMessage;
    } catch {
      this.#end("QEMU sent a line that is not JSON");
      return;
    }
    if (message.error !== undefined) {
      this.#waiting.shift()?.(fail(message.error.desc));
    } else if ("return" in message) {
      this.#waiting.shift()?.(ok(message.return));
    }
  }

  #end(reason: string): void {
    this.#ended ??= reason;
    for (const waiter of this.#waiting.splice(0)) {
      waiter(fail(reason));
    }
  }
}

type Waiter = (result: Result<unknown, string>) => void;

interface QmpMessage {
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
}

/** QEMU answers in milliseconds; a busy machine gets a thousand times that. */
const COMMAND_TIMEOUT_MS = 10_000;
/** The longest answers (query-qmp-schema) have about 200,000 characters. */
const LINE_LENGTH_MAX = 1024 * 1024;
