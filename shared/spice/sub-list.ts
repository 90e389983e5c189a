/**
 * The sub-messages that a server may put into one body (protocol.h, SpiceSubMessageList and
 * SpiceSubMessage): a u16 count and u32 offsets from the body's start, each to a type (u16), a size
 * (u32) and that message's own body. The list stands at the body's start in a LIST, and where a
 * full header's sub_list says otherwise.
 *
 * Reads them while the body goes by and checks each with the channel's rows. Promises to hold no
 * more than the list, one sub-message's head and, because servers put the list of a full header
 * after what it lists, the end of what precedes the list; all of it bounded and let go with the body.
 *
 * What libspice-server (0.15) lays out decides what is lawful: its lists are not in ascending order,
 * and it declares a counted list of n entries with the size that it has in memory, 8 + 16n bytes,
 * which is more than it sends and can point past the body. So the count decides how long those are.
 */
import type { MessageIndex } from "./channel-table.ts";
import { SpiceError } from "./errors.ts";
import { readU16, readU32 } from "./little-endian.ts";
import type { MessageRow } from "./message-row.ts";

/** Sub-messages of one list; servers send two at most. */
export const SUB_MESSAGES_MAX = 256;

/**
 * Bytes before a list in which its sub-messages may lie: the longest invalidation (65,535 resources
 * of 9 bytes) and the longest wait (255 entries of 10 bytes), which is all that servers list.
 */
export const SUB_LIST_REACH_BYTES = 6 + 2 + 65_535 * 9 + 6 + 1 + 255 * 10;

export interface SubListReaderOptions {
  /** The rows of the channel's server direction. */
  readonly rows: MessageIndex;
  /** Told of each lawful sub-message; not in the order of the list. */
  readonly onSubMessage: (row: MessageRow) => void;
}

/**
 * The lists of one channel, one after another. Whatever breaks a list throws a SpiceError
 * (message.sub-list-unlawful), whose `value` is the sub-message's type when it is about one; the
 * rest of that body must not be pushed then.
 */
export class SubListReader {
  readonly #rows: MessageIndex;
  readonly #onSubMessage: (row: MessageRow) => void;
  /** The list's bytes: count and offsets. */
  readonly #list = new Uint8Array(LIST_BYTES_MAX);
  /** The offsets, ascending. */
  readonly #offsets = new Uint32Array(SUB_MESSAGES_MAX);
  /** Head of the sub-message that is on its way. */
  readonly #head = new Uint8Array(HEAD_BYTES_MAX);
  /** What precedes the list, as far as its sub-messages may lie in it. */
  #before: Uint8Array = NOTHING;
  #bodyBytes = 0;
  #listAt = 0;
  /** Null until the count is there. */
  #count: number | null = null;
  #isListRead = false;
  /** Sub-messages checked so far, in ascending order. */
  #checked = 0;

  constructor(options: SubListReaderOptions) {
    this.#rows = options.rows;
    this.#onSubMessage = options.onSubMessage;
  }

  /** A body of `bodyBytes` bytes begins, whose list is at `listAt` in it. */
  begin(bodyBytes: number, listAt: number): void {
    this.#bodyBytes = bodyBytes;
    this.#listAt = listAt;
    this.#count = null;
    this.#isListRead = false;
    this.#checked = 0;
    this.#before = NOTHING;
    this.#requireRoom(listAt, COUNT_BYTES, bodyBytes);
    if (listAt > 0) {
      this.#before = new Uint8Array(Math.min(listAt, SUB_LIST_REACH_BYTES));
    }
  }

  /** The body's next bytes, never none; `partAt` is how much of the body came before. */
  push(part: Uint8Array, partAt: number): void {
    if (!this.#isListRead) {
      this.#readList(part, partAt);
    }
    if (this.#isListRead) {
      this.#readHeads(part, partAt);
    }
  }

  #readList(part: Uint8Array, partAt: number): void {
    const beforeAt = this.#listAt - this.#before.length;
    copyOverlap(part, partAt, this.#before, beforeAt);
    copyOverlap(part, partAt, this.#list, this.#listAt);
    const readBytes = partAt + part.length - this.#listAt;
    if (readBytes >= COUNT_BYTES && this.#count === null) {
      this.#count = readU16(this.#list, 0);
      this.#checkCount(this.#count);
    }
    if (this.#count !== null && readBytes >= listBytes(this.#count)) {
      this.#isListRead = true;
      this.#checkOffsets(this.#count);
      this.#checkBefore(this.#count);
    }
  }

  #checkCount(count: number): void {
    if (count > SUB_MESSAGES_MAX) {
      throw unlawful({ offset: this.#listAt, available: count, max: SUB_MESSAGES_MAX });
    }
    this.#requireRoom(this.#listAt, listBytes(count), this.#bodyBytes);
  }

  /** Every offset has room for a head, beside the list and in reach of it. */
  #checkOffsets(count: number): void {
    const listEnd = this.#listAt + listBytes(count);
    const reach = this.#listAt - this.#before.length;
    for (let index = 0; index < count; index += 1) {
      const offset = readU32(this.#list, COUNT_BYTES + OFFSET_BYTES * index);
      if (offset < reach || (offset >= this.#listAt && offset < listEnd)) {
        throw unlawful({ offset, needed: offset < reach ? reach : listEnd });
      }
      this.#requireRoom(offset, HEAD_BYTES, this.#bodyBytes);
      this.#offsets[index] = offset;
    }
    this.#offsets.subarray(0, count).sort();
  }

  /** Checks what the list names before itself, which has gone by already, and lets it go. */
  #checkBefore(count: number): void {
    const beforeAt = this.#listAt - this.#before.length;
    while (this.#checked < count && this.#offsetOf(this.#checked) < this.#listAt) {
      const offset = this.#offsetOf(this.#checked);
      const end = Math.min(this.#endOf(this.#checked), this.#listAt);
      this.#requireRoom(offset, HEAD_BYTES, end);
      const head = this.#before.subarray(offset - beforeAt, end - beforeAt);
      this.#checkHead(head, offset, end);
      this.#checked += 1;
    }
    this.#before = NOTHING;
  }

  /** Checks what the list names after itself, as far as it is there. */
  #readHeads(part: Uint8Array, partAt: number): void {
    const count = this.#count ?? 0;
    const partEnd = partAt + part.length;
    while (this.#checked < count) {
      const offset = this.#offsetOf(this.#checked);
      const end = this.#endOf(this.#checked);
      copyOverlap(part, partAt, this.#head, offset);
      this.#requireRoom(offset, HEAD_BYTES, end);
      const headBytes = Math.min(HEAD_BYTES_MAX, end - offset);
      if (partEnd < offset + headBytes) {
        return;
      }
      this.#checkHead(this.#head.subarray(0, headBytes), offset, end);
      this.#checked += 1;
    }
  }

  /** Checks one sub-message by its head; `end` is where the next thing in the body begins. */
  #checkHead(head: Uint8Array, offset: number, end: number): void {
    const type = readU16(head, 0);
    const sizeBytes = readU32(head, 2);
    const row = this.#rows[type] ?? null;
    // A list within a list: no server sends one, and a client could be sent round in circles.
    if (row === null || type === LIST_TYPE) {
      throw unlawful({ value: type, offset, available: sizeBytes });
    }
    if (row.entries === null) {
      requireSize(row, sizeBytes, row.sizeMin, row.sizeMax);
      this.#requireRoom(offset, HEAD_BYTES + sizeBytes, end, type);
    } else {
      const { countBytes, entryBytes } = row.entries;
      this.#requireRoom(offset, HEAD_BYTES + countBytes, end, type);
      const entries = countBytes === 1 ? (head[HEAD_BYTES] ?? 0) : readU16(head, HEAD_BYTES);
      const sentBytes = countBytes + entryBytes * entries;
      requireSize(row, sizeBytes, sentBytes, MEMORY_HEAD_BYTES + MEMORY_ENTRY_BYTES * entries);
      this.#requireRoom(offset, HEAD_BYTES + sentBytes, end, type);
    }
    this.#onSubMessage(row);
  }

  #offsetOf(index: number): number {
    return this.#offsets[index] ?? 0;
  }

  /** Where the next sub-message begins, or the body ends. */
  #endOf(index: number): number {
    return index + 1 < (this.#count ?? 0) ? this.#offsetOf(index + 1) : this.#bodyBytes;
  }

  #requireRoom(offset: number, needed: number, end: number, type?: number): void {
    if (offset + needed > end) {
      const about = type === undefined ? {} : { value: type };
      throw unlawful({ ...about, offset, needed, available: Math.max(0, end - offset) });
    }
  }
}

function requireSize(row: MessageRow, sizeBytes: number, needed: number, max: number): void {
  if (sizeBytes < needed || sizeBytes > max) {
    throw unlawful({ value: row.type, needed, available: sizeBytes, max });
  }
}

function unlawful(numbers: ConstructorParameters<typeof SpiceError>[1]): SpiceError {
  return new SpiceError("message.sub-list-unlawful", numbers);
}

/** Bytes of a list of `count` offsets. */
function listBytes(count: number): number {
  return COUNT_BYTES + OFFSET_BYTES * count;
}

/** Copies what `part`, at `partAt` in a body, has of the bytes from `intoAt` on that `into` holds. */
function copyOverlap(part: Uint8Array, partAt: number, into: Uint8Array, intoAt: number): void {
  const from = Math.max(partAt, intoAt);
  const end = Math.min(partAt + part.length, intoAt + into.length);
  if (from < end) {
    into.set(part.subarray(from - partAt, end - partAt), from - intoAt);
  }
}

const NOTHING = new Uint8Array(0);
const LIST_TYPE = 8;
const COUNT_BYTES = 2;
const OFFSET_BYTES = 4;
const LIST_BYTES_MAX = listBytes(SUB_MESSAGES_MAX);
/** Type and size (protocol.h, SpiceSubMessage). */
const HEAD_BYTES = 6;
/** With the count that a counted list begins with. */
const HEAD_BYTES_MAX = HEAD_BYTES + 2;
/** What servers declare for a counted list: the count and each entry, padded as in memory. */
const MEMORY_HEAD_BYTES = 8;
const MEMORY_ENTRY_BYTES = 16;
