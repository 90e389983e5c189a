/**
 * Judges the messages of one direction of one channel, each by its header alone, and overhears the
 * connection id in the server's first MAIN_INIT. Allocates nothing per message.
 */
import { judgeHeader, type Direction } from "#shared/spice/channel-table.ts";
import type { ChannelName } from "#shared/spice/channel-names.ts";
import { MAIN_SERVER } from "#shared/spice/channels/main.ts";
import { MINI_HEADER_BYTES } from "#shared/spice/header.ts";
import { MAIN_INIT_BYTES, parseMainInit } from "#shared/spice/main-init.ts";
import type { BodyChoice, SplitterVisitor } from "#shared/spice/splitter.ts";

export interface MessageJudgeOptions {
  readonly channel: ChannelName;
  readonly direction: Direction;
  /** Told once, before the message that names it is forwarded. */
  readonly onConnectionId: (connectionId: number) => void;
}

/** The splitter's visitor for one direction. */
export class MessageJudge implements SplitterVisitor {
  readonly #options: MessageJudgeOptions;
  readonly #mainInit: Uint8Array | null;
  #mainInitSeen = false;
  #lastMessageAt = 0;
  #nextMessageAt = 0;

  constructor(options: MessageJudgeOptions) {
    this.#options = options;
    const overhears = options.channel === "main" && options.direction === "server";
    this.#mainInit = overhears ? new Uint8Array(MAIN_INIT_BYTES) : null;
  }

  /** Where in the stream the first message that is not judged lawful yet begins, in bytes. */
  get lawfulBytes(): number {
    return this.#nextMessageAt;
  }

  /** Where in the stream the last lawful message so far begins, in bytes. */
  get lastMessageAt(): number {
    return this.#lastMessageAt;
  }

  /** @throws {SpiceError} message.type-unknown or message.size-unlawful */
  onHeader(type: number, sizeBytes: number): BodyChoice {
    judgeHeader(this.#options, type, sizeBytes);
    this.#lastMessageAt = this.#nextMessageAt;
    this.#nextMessageAt += MINI_HEADER_BYTES + sizeBytes;
    const isMainInit = this.#mainInit !== null && type === MAIN_SERVER.MAIN_INIT.type;
    return isMainInit && !this.#mainInitSeen ? "observe" : "pass";
  }

  onBody(part: Uint8Array, offsetInBody: number): void {
    const mainInit = this.#mainInit;
    if (mainInit === null) {
      return;
    }
    mainInit.set(part, offsetInBody);
    if (offsetInBody + part.length === MAIN_INIT_BYTES) {
      this.#mainInitSeen = true;
      this.#options.onConnectionId(parseMainInit(mainInit).sessionId);
    }
  }
}
