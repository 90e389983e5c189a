/**
 * Judges the messages of one direction of one channel, each by its header alone and lists of
 * sub-messages as they go by, and overhears the connection id in the server's first MAIN_INIT.
 * Allocates nothing per message. What a violation leads to is the firewall's to say; the judge goes
 * on after one that may pass.
 */
import type { ChannelName } from "#shared/spice/channel-names.ts";
import { type Direction, type MessageIndex, messageIndex } from "#shared/spice/channel-table.ts";
import { BASE_SERVER } from "#shared/spice/channels/base.ts";
import { MAIN_SERVER } from "#shared/spice/channels/main.ts";
import { SpiceError } from "#shared/spice/errors.ts";
import { FULL_HEADER_BYTES, type HeaderKind, MINI_HEADER_BYTES } from "#shared/spice/header.ts";
import { MAIN_INIT_BYTES, parseMainInit } from "#shared/spice/main-init.ts";
import type { MessageRow } from "#shared/spice/message-row.ts";
import type { BodyChoice, SplitterVisitor } from "#shared/spice/splitter.ts";
import { SubListReader } from "#shared/spice/sub-list.ts";
import { RateMeter, rateCeiling } from "./firewall-rates.ts";
import type { ChannelFirewall, FirewallRule } from "./firewall.ts";

export interface MessageJudgeOptions {
  readonly channel: ChannelName;
  readonly direction: Direction;
  readonly headerKind: HeaderKind;
  /** The channel's own, shared with the judge of the other direction. */
  readonly firewall: ChannelFirewall;
  /** Told once, before the message that names it is forwarded. */
  readonly onConnectionId: (connectionId: number) => void;
}

/** The splitter's visitor for one direction. */
export class MessageJudge implements SplitterVisitor {
  readonly #options: MessageJudgeOptions;
  readonly #rows: MessageIndex;
  readonly #headerBytes: number;
  readonly #rate: RateMeter;
  /** The one that is a list of sub-messages, or NO_TYPE. */
  readonly #listType: number;
  /** The one that names the connection id, or NO_TYPE once it was heard. */
  #mainInitType: number;
  #mainInit: Uint8Array | null = null;
  #subLists: SubListReader | null = null;
  /** Type of the message whose list is being read, or NO_TYPE. */
  #listedIn = NO_TYPE;
  #lastMessageAt = 0;
  #nextMessageAt = 0;
  /** What #nextMessageAt was when the rate was last judged. */
  #ratedUpTo = 0;
  /** Messages since then, sub-messages included. */
  #begun = 0;
  #isLastQuiet = true;
  #hasActivity = false;

  constructor(options: MessageJudgeOptions) {
    const { channel, direction, headerKind } = options;
    this.#options = options;
    this.#rows = messageIndex(channel, direction);
    this.#headerBytes = headerKind === "mini" ? MINI_HEADER_BYTES : FULL_HEADER_BYTES;
    this.#rate = new RateMeter(rateCeiling(channel, direction));
    const isServer = direction === "server";
    this.#listType = isServer ? BASE_SERVER.LIST.type : NO_TYPE;
    this.#mainInitType = isServer && channel === "main" ? MAIN_SERVER.MAIN_INIT.type : NO_TYPE;
  }

  /** Where in the stream the first message that is not judged lawful yet begins, in bytes. */
  get lawfulBytes(): number {
    return this.#nextMessageAt;
  }

  /** Where in the stream the last lawful message so far begins, in bytes. */
  get lastMessageAt(): number {
    return this.#lastMessageAt;
  }

  /** @throws {SpiceError} message.type-unknown, .size-unlawful or .sub-list-unlawful */
  onHeader(type: number, sizeBytes: number, subListOffset: number): BodyChoice {
    const row = type < this.#rows.length ? this.#rows[type] : null;
    if (row === null || row === undefined) {
      this.#violated("type", type, { value: type, available: sizeBytes });
      this.#isLastQuiet = false;
    } else {
      if (sizeBytes < row.sizeMin || sizeBytes > row.sizeMax) {
        this.#refuseSize(row, sizeBytes);
      }
      this.#isLastQuiet = row.quiet;
    }
    let choice: BodyChoice = "pass";
    if (subListOffset !== 0 || type === this.#listType || type === this.#mainInitType) {
      choice = this.#chooseBody(type, sizeBytes, subListOffset);
    }
    if (!this.#isLastQuiet) {
      this.#hasActivity = true;
    }
    this.#begun += 1;
    this.#lastMessageAt = this.#nextMessageAt;
    this.#nextMessageAt += this.#headerBytes + sizeBytes;
    return choice;
  }

  /** @throws {SpiceError} message.sub-list-unlawful; the message around it is not lawful then */
  onBody(part: Uint8Array, offsetInBody: number): void {
    if (this.#listedIn !== NO_TYPE) {
      this.#readSubList(part, offsetInBody);
    }
    if (this.#mainInit !== null) {
      this.#hearMainInit(this.#mainInit, part, offsetInBody);
    }
  }

  /**
   * To be called after each chunk with the time.
   * @throws {SpiceError} message.rate-exceeded; no message that began in that chunk is lawful then
   */
  endChunk(nowMs: number): void {
    if (this.#begun === 0) {
      // A long body of something that happens is something that happens all the while.
      this.#hasActivity ||= !this.#isLastQuiet;
      return;
    }
    const messages = this.#begun;
    this.#begun = 0;
    if (!this.#rate.take(messages, nowMs)) {
      // As for a list: what exceeds the rate is not lawful unless the firewall lets it pass.
      const unratedAt = this.#nextMessageAt;
      this.#nextMessageAt = this.#ratedUpTo;
      this.#violated("rate", null, { available: messages });
      this.#nextMessageAt = unratedAt;
    }
    this.#ratedUpTo = this.#nextMessageAt;
  }

  /** Whether anything but housekeeping flowed since the last call. */
  takeActivity(): boolean {
    const hadActivity = this.#hasActivity;
    this.#hasActivity = false;
    return hadActivity;
  }

  /** What the rare messages want that are more than their header. */
  #chooseBody(type: number, sizeBytes: number, subListOffset: number): BodyChoice {
    this.#listedIn = NO_TYPE;
    if (subListOffset !== 0 || type === this.#listType) {
      this.#beginSubList(type, sizeBytes, subListOffset);
    }
    // Only observe mode lets one of another size come here.
    if (type === this.#mainInitType && sizeBytes === MAIN_INIT_BYTES) {
      this.#mainInitType = NO_TYPE;
      this.#mainInit = new Uint8Array(MAIN_INIT_BYTES);
    }
    return this.#listedIn === NO_TYPE && this.#mainInit === null ? "pass" : "observe";
  }

  #beginSubList(type: number, sizeBytes: number, subListOffset: number): void {
    if (this.#options.direction === "client") {
      // No server reads a list of the client's.
      this.#violated("sub-list", type, { value: type, offset: subListOffset, max: 0 });
      return;
    }
    this.#subLists ??= new SubListReader({ rows: this.#rows, onSubMessage: this.#onSubMessage });
    try {
      this.#subLists.begin(sizeBytes, subListOffset);
      this.#listedIn = type;
    } catch (error) {
      this.#refuseSubList(type, error);
    }
  }

  #readSubList(part: Uint8Array, offsetInBody: number): void {
    try {
      this.#subLists?.push(part, offsetInBody);
    } catch (error) {
      const type = this.#listedIn;
      this.#listedIn = NO_TYPE;
      // While the firewall decides, the message around the list is not lawful; if it lets it pass,
      // it is again.
      const next = this.#nextMessageAt;
      this.#nextMessageAt = this.#lastMessageAt;
      this.#refuseSubList(type, error);
      this.#nextMessageAt = next;
    }
  }

  readonly #onSubMessage = (row: MessageRow): void => {
    this.#begun += 1;
    this.#hasActivity ||= !row.quiet;
  };

  #hearMainInit(mainInit: Uint8Array, part: Uint8Array, offsetInBody: number): void {
    mainInit.set(part, offsetInBody);
    if (offsetInBody + part.length === MAIN_INIT_BYTES) {
      this.#mainInit = null;
      this.#options.onConnectionId(parseMainInit(mainInit).sessionId);
    }
  }

  #refuseSize(row: MessageRow, sizeBytes: number): void {
    const { type, sizeMin: needed, sizeMax: max } = row;
    this.#violated("size", type, { value: type, needed, available: sizeBytes, max });
  }

  #refuseSubList(type: number, error: unknown): void {
    if (!(error instanceof SpiceError)) {
      throw error;
    }
    this.#violated("sub-list", error.numbers.value ?? type, error.numbers);
  }

  /** Returns when the firewall only observes. */
  #violated(rule: FirewallRule, messageType: number | null, numbers: SpiceError["numbers"]): void {
    const { direction, firewall } = this.#options;
    firewall.violated({ direction, rule, messageType, numbers });
  }
}

/** No message's number. */
const NO_TYPE = -1;
