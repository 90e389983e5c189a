/**
 * Reads server-sent events (the HTML standard's text/event-stream) from the bytes of an answer, in
 * parts of any size.
 */
import { fail, ok, type Result } from "#shared/base/result.ts";

export interface ServerSentEvent {
  /** "message" when the stream names none. */
  readonly type: string;
  readonly data: string;
  /** The id to go on from, which may be an earlier event's; null when there was none. */
  readonly id: string | null;
  /** How soon to come again, as the stream said last; null when it did not. */
  readonly retryMs: number | null;
}

/** One connection's stream; what is not whole at its end was no event. */
export class EventStreamReader {
  readonly #decoder = new TextDecoder();
  #unread = "";
  #type = "";
  #data: string[] = [];
  #sizeCharacters = 0;
  #id: string | null = null;
  #retryMs: number | null = null;

  /** The events that these bytes complete. Fails, and is of no more use, when one is too long. */
  push(chunk: Uint8Array): Result<ServerSentEvent[], "too-long"> {
    const events: ServerSentEvent[] = [];
    const text = this.#unread + this.#decoder.decode(chunk, { stream: true });
    // A CR at the end may be half of a CRLF.
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    this.#unread = lines.pop() ?? "";
    for (const line of lines) {
      this.#sizeCharacters += line.length;
      if (line === "") {
        events.push(...this.#dispatch());
      } else {
        this.#takeField(line);
      }
      if (this.#sizeCharacters > EVENT_CHARACTERS_MAX) {
        return fail("too-long");
      }
    }
    return this.#unread.length > EVENT_CHARACTERS_MAX ? fail("too-long") : ok(events);
  }

  #takeField(line: string): void {
    const [, field = "", value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === "data") {
      this.#data.push(value);
    } else if (field === "event") {
      this.#type = value;
    } else if (field === "id" && !value.includes("\0")) {
      this.#id = value === "" ? null : value;
    } else if (field === "retry" && /^[0-9]{1,9}$/.test(value)) {
      this.#retryMs = Number(value);
    }
  }

  #dispatch(): ServerSentEvent[] {
    const [type, data] = [this.#type === "" ? "message" : this.#type, this.#data];
    [this.#type, this.#data, this.#sizeCharacters] = ["", [], 0];
    return data.length === 0
      ? []
      : [{ type, data: data.join("\n"), id: this.#id, retryMs: this.#retryMs }];
  }
}

/** A session is some hundred bytes; what is much longer is none of our events. */
const EVENT_CHARACTERS_MAX = 1024 * 1024;
