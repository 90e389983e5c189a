/**
 * One channel of the test card after its link: sends messages and yields those of the client, with
 * either kind of header. What the protocol does not know or is too long ends the channel.
 */
import type { Socket } from "node:net";
import { concatBytes } from "#shared/base/bytes.ts";
import { type CapabilitySet, hasCapability } from "#shared/spice/capabilities.ts";
import { judgeHeader } from "#shared/spice/channel-table.ts";
import { SpiceError } from "#shared/spice/errors.ts";
import {
  decodeFullHeader,
  decodeMiniHeader,
  encodeFullHeader,
  encodeMiniHeader,
  FULL_HEADER_BYTES,
  MINI_HEADER_BYTES,
} from "#shared/spice/header.ts";
import type { MessageRow } from "#shared/spice/message-row.ts";
import type { AcceptedLink, ServedChannel } from "./accept-link.ts";
import type { ExactReader } from "./exact-reader.ts";

/** A message of the client. */
export interface ClientMessage {
  readonly type: number;
  readonly body: Uint8Array;
}

/** A linked channel. */
export class CardChannel {
  readonly name: ServedChannel;
  readonly #socket: Socket;
  readonly #reader: ExactReader;
  readonly #isMiniHeader: boolean;
  readonly #capabilities: CapabilitySet;
  #serial = 0n;

  constructor(socket: Socket, reader: ExactReader, link: AcceptedLink) {
    this.name = link.channel;
    this.#socket = socket;
    this.#reader = reader;
    this.#isMiniHeader = link.isMiniHeader;
    this.#capabilities = link.capabilities;
  }

  /** Whether the client stated a capability of this kind of channel. */
  hasCapability(bit: number): boolean {
    return hasCapability(this.#capabilities, bit);
  }

  /** Sends one message. @param row the message's row in its channel's table */
  send(row: MessageRow, body: Uint8Array = EMPTY): void {
    this.#serial += 1n;
    const header = { type: row.type, sizeBytes: body.length };
    const head = this.#isMiniHeader
      ? encodeMiniHeader(header)
      : encodeFullHeader({ ...header, serial: this.#serial, subListOffset: 0 });
    if (!this.#socket.destroyed) {
      this.#socket.write(concatBytes([head, body]));
    }
  }

  /** Whether the client has not yet taken what was sent: then a picture should wait. */
  get isBehind(): boolean {
    return this.#socket.writableNeedDrain;
  }

  /** Calls back each time when the client has caught up. */
  onCaughtUp(listener: () => void): void {
    this.#socket.on("drain", listener);
  }

  /** The client's messages until it leaves or breaks the protocol. */
  async *messages(): AsyncGenerator<ClientMessage> {
    for (;;) {
      const message = await this.#readMessage();
      if (message === null) {
        return;
      }
      yield message;
    }
  }

  /** Ends the channel. Idempotent. */
  close(): void {
    this.#socket.destroy();
  }

  async #readMessage(): Promise<ClientMessage | null> {
    const head = await this.#reader.read(
      this.#isMiniHeader ? MINI_HEADER_BYTES : FULL_HEADER_BYTES,
    );
    if (head === null) {
      return null;
    }
    const { type, sizeBytes } = this.#isMiniHeader
      ? decodeMiniHeader(head)
      : decodeFullHeader(head);
    judgeHeader({ channel: this.name, direction: "client" }, type, sizeBytes);
    if (sizeBytes > BODY_BYTES_MAX) {
      throw new SpiceError("message.size-unlawful", { available: sizeBytes, max: BODY_BYTES_MAX });
    }
    const body = await this.#reader.read(sizeBytes);
    return body && { type, body };
  }
}

const EMPTY = new Uint8Array(0);
/** The longest lawful message that a client without an agent sends is far below this. */
const BODY_BYTES_MAX = 64 * 1024;
