/**
 * The spool: facts for the control plane, kept on disk until it has stored them. It promises that
 * an event's number is never used twice in its stream, that what was recorded survives the death of
 * the process, and that nothing is dropped silently. It must never throw at the data plane, nor
 * make it wait for more than one small write; when the disk fails it goes on in memory.
 */
import type { RandomBytes } from "#shared/base/ids.ts";
import { newId } from "#shared/base/ids.ts";
import { type NumberedEvent, type RelayEvent, relayEventSchema } from "#shared/control/contract.ts";
import {
  CONTROL_MESSAGE_BYTES_MAX,
  EVENTS_PER_MESSAGE_MAX,
  SPOOL_EVENTS_MAX,
} from "#shared/control/limits.ts";
import type { EventSink } from "../sessions/ports.ts";
import { CONTROL_LOG, type ControlLog } from "./control-log.ts";
import type { SpoolDisk } from "./spool-disk.ts";
import { formatEvent, formatHead, formatMark, parseSpool } from "./spool-format.ts";
import { type SpoolBounds, SpoolQueue } from "./spool-queue.ts";

export interface SpoolOptions {
  readonly disk: SpoolDisk;
  /** A spool that another relay identity left behind is put aside. */
  readonly relayId: string;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  readonly randomBytes: RandomBytes;
  readonly log: ControlLog;
  readonly bounds?: SpoolBounds;
}

/** Events of one stream, for one message. */
export interface SpoolBatch {
  readonly stream: string;
  readonly events: readonly NumberedEvent[];
}

/** One relay's spool; one process at a time may have it open. */
export class Spool implements EventSink {
  readonly #disk: SpoolDisk;
  readonly #relayId: string;
  readonly #nowMs: () => number;
  readonly #randomBytes: RandomBytes;
  readonly #log: ControlLog;
  readonly #bounds: SpoolBounds;
  readonly #listeners = new Set<() => void>();
  #queue: SpoolQueue;
  #stream: string;
  #nextSeq = 1;
  /** The highest number that the control plane can have seen. */
  #shownSeq = 0;
  /** Bytes in the file, of which the queue's are alive. */
  #fileBytes = 0;
  /** Since when the file lacks events; null: it has them all. */
  #brokenAtMs: number | null = null;
  #droppedCount = 0;
  #droppedUnreported = 0;

  /** Reads what an earlier process left. Never throws: an unreadable file is put aside. */
  constructor(options: SpoolOptions) {
    this.#disk = options.disk;
    this.#relayId = options.relayId;
    this.#nowMs = options.nowMs;
    this.#randomBytes = options.randomBytes;
    this.#log = options.log;
    this.#bounds = options.bounds ?? SPOOL_BOUNDS;
    this.#queue = new SpoolQueue(this.#bounds);
    this.#stream = newId("stream", this.#randomBytes);
    // Why not always: another process may have the file open, and a start that comes to nothing (a
    // port in use) must not put another file in its place.
    if (!this.#load()) {
      this.#rewrite();
    }
  }

  get stream(): string {
    return this.#stream;
  }

  /** Events that the control plane has not stored. */
  get pendingCount(): number {
    return this.#queue.count;
  }

  /** The number of the newest event; 0 when there never was one. */
  get lastSeq(): number {
    return this.#nextSeq - 1;
  }

  /** Whether nothing up to `seq` waits any more. */
  isStored(seq: number): boolean {
    const [oldest] = this.#queue.next(0, 1, BATCH_BYTES_MAX);
    return oldest === undefined || oldest.seq > seq;
  }

  /** Events dropped because the spool was full, since this process began. */
  get droppedCount(): number {
    return this.#droppedCount;
  }

  record(event: RelayEvent): void {
    const checked = relayEventSchema.safeParse(clipTexts(event));
    if (!checked.success) {
      // The hub would refuse the whole message again and again: better this one event is lost.
      const fields = { type: event.type, detail: checked.error.issues[0]?.message ?? "" };
      this.#log.error(fields, CONTROL_LOG.spoolEventInvalid);
      return;
    }
    if (event.type === "relay.snapshot") {
      this.#queue.dropSnapshots();
    }
    const atMs = Math.max(0, Math.floor(this.#nowMs()));
    const numbered: NumberedEvent = { seq: this.#nextSeq, atMs, event: checked.data };
    this.#nextSeq += 1;
    const line = formatEvent(numbered);
    this.#countDropped(this.#queue.push(numbered, Buffer.byteLength(line)));
    this.#append(line);
    for (const listener of this.#listeners) {
      listener();
    }
  }

  /** Calls back after each recorded event; returns the way to stop that. */
  onRecord(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The next events after `afterSeq` that fit into one message; none when there are no more. */
  batch(afterSeq: number): SpoolBatch {
    const events = this.#queue.next(afterSeq, EVENTS_PER_MESSAGE_MAX, BATCH_BYTES_MAX);
    this.#shownSeq = Math.max(this.#shownSeq, events.at(-1)?.seq ?? 0);
    return { stream: this.#stream, events };
  }

  /** The control plane has stored everything of `stream` up to `seq`. */
  acknowledge(stream: string, seq: number): void {
    if (stream !== this.#stream || seq > this.#shownSeq || this.#queue.count === 0) {
      return;
    }
    this.#queue.trim(seq);
    if (this.#queue.count === 0) {
      this.#reportDrained();
    }
    if (this.#fileBytes > 2 * this.#queue.sizeBytes + FILE_SLACK_BYTES) {
      this.#rewrite();
    } else {
      this.#append(formatMark(seq));
    }
  }

  /**
   * Compares with what the control plane says at each welcome. When it has seen numbers that this
   * file never gave out (a file restored from a backup, a power cut), the stream has forked: what
   * it cannot have seen goes on under a new stream.
   */
  reconcile(stream: string | null, storedSeq: number): void {
    if (stream !== this.#stream) {
      return;
    }
    if (storedSeq <= this.#shownSeq) {
      this.acknowledge(stream, storedSeq);
      return;
    }
    const unseen = this.#queue.all().filter((event) => event.seq > this.#shownSeq);
    this.#log.warn({ storedSeq, shownSeq: this.#shownSeq }, CONTROL_LOG.spoolNew);
    this.#begin(unseen.map((event, index) => ({ ...event, seq: index + 1 })));
    this.#rewrite();
  }

  /** Lets the file go; what is in it waits for the next process. */
  close(): void {
    this.#listeners.clear();
    this.#disk.close();
  }

  /** Whether the file can be appended to as it is. */
  #load(): boolean {
    try {
      const text = this.#disk.read();
      return text !== null && text !== "" && this.#adopt(text);
    } catch (error) {
      this.#log.error({ detail: detailOf(error) }, CONTROL_LOG.spoolDiskFailed);
      this.#saveUnread();
      return false;
    }
  }

  /** A file that cannot be read now may be readable later: it must not be overwritten. */
  #saveUnread(): void {
    try {
      this.#disk.setAside();
    } catch {
      // Nothing is there to be saved, or nothing can be; both were said above.
    }
  }

  /** Whether every line of it was whole, and ours. */
  #adopt(text: string): boolean {
    const content = parseSpool(text);
    if (content === null || content.relayId !== this.#relayId) {
      const detail = content === null ? "unreadable first line" : "another relay's spool";
      this.#log.error({ detail, keptAs: this.#disk.setAside() }, CONTROL_LOG.spoolCorrupt);
      return false;
    }
    if (content.isTorn) {
      this.#log.warn({ stream: content.stream }, CONTROL_LOG.spoolTorn);
    }
    if (content.unreadableCount > 0) {
      this.#log.error({ lines: content.unreadableCount }, CONTROL_LOG.spoolCorrupt);
    }
    this.#stream = content.stream;
    this.#fill(content.events);
    this.#nextSeq = content.nextSeq;
    // An earlier process may have sent any of them.
    this.#shownSeq = content.nextSeq - 1;
    this.#fileBytes = Buffer.byteLength(text);
    return !content.isTorn && content.unreadableCount === 0;
  }

  #begin(events: readonly NumberedEvent[]): void {
    this.#stream = newId("stream", this.#randomBytes);
    this.#queue = new SpoolQueue(this.#bounds);
    this.#fill(events);
    this.#nextSeq = events.length + 1;
    this.#shownSeq = 0;
  }

  #fill(events: readonly NumberedEvent[]): void {
    for (const event of events) {
      this.#countDropped(this.#queue.push(event, Buffer.byteLength(formatEvent(event))));
    }
  }

  #append(line: string): void {
    if (this.#brokenAtMs !== null) {
      this.#retry();
      return;
    }
    try {
      this.#disk.append(line);
      this.#fileBytes += Buffer.byteLength(line);
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.#fileBytes > 2 * this.#bounds.bytesMax + FILE_SLACK_BYTES) {
      this.#rewrite();
    }
  }

  /** Writes the file anew from the queue, now and then, after the disk has failed. */
  #retry(): void {
    const now = this.#nowMs();
    if (this.#brokenAtMs !== null && Math.abs(now - this.#brokenAtMs) >= DISK_RETRY_MS) {
      this.#rewrite();
    }
  }

  #rewrite(): void {
    const { relayId, stream, nextSeq } = {
      relayId: this.#relayId,
      stream: this.#stream,
      nextSeq: this.#nextSeq,
    };
    const text =
      formatHead({ relayId, stream, nextSeq }) + this.#queue.all().map(formatEvent).join("");
    try {
      this.#disk.replace(text);
      this.#fileBytes = Buffer.byteLength(text);
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.#brokenAtMs !== null) {
      this.#brokenAtMs = null;
      this.#log.info({ pending: this.#queue.count }, CONTROL_LOG.spoolDiskRecovered);
    }
  }

  #fail(error: unknown): void {
    if (this.#brokenAtMs === null) {
      this.#log.error({ detail: detailOf(error) }, CONTROL_LOG.spoolDiskFailed);
    }
    this.#brokenAtMs = this.#nowMs();
  }

  #countDropped(count: number): void {
    if (count === 0) {
      return;
    }
    this.#droppedCount += count;
    this.#droppedUnreported += count;
    const isFirst = this.#droppedUnreported === count;
    if (isFirst || this.#droppedUnreported >= DROPS_PER_LOG_LINE) {
      this.#log.error({ droppedCount: this.#droppedCount }, CONTROL_LOG.spoolDropped);
      this.#droppedUnreported = 1;
    }
  }

  #reportDrained(): void {
    if (this.#droppedUnreported > 0) {
      this.#log.warn({ droppedCount: this.#droppedCount }, CONTROL_LOG.spoolDrained);
      this.#droppedUnreported = 0;
    }
  }
}

/** Cuts long texts to the contract's bound: a truncated detail is better than a lost event. */
function clipTexts(event: RelayEvent): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(event).map(([name, value]: [string, unknown]) => [
      name,
      typeof value === "string" ? value.slice(0, TEXT_LENGTH_MAX) : value,
    ]),
  );
}

function detailOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** About 300 bytes an event, so that the count is what binds; long details are what bytes bind. */
const SPOOL_BOUNDS: SpoolBounds = {
  eventsMax: SPOOL_EVENTS_MAX,
  bytesMax: 32 * 1024 * 1024,
};
/** Characters of a text in the contract (`shortText`). */
const TEXT_LENGTH_MAX = 1024;
/** Leaves room for the message around the events. */
const BATCH_BYTES_MAX = CONTROL_MESSAGE_BYTES_MAX - 1024;
/** Dead bytes that are not worth a rewrite of the file. */
const FILE_SLACK_BYTES = 256 * 1024;
/** How often a failed disk is tried again: a rewrite may be 32 MiB. */
const DISK_RETRY_MS = 5_000;
/** While drops go on, one line tells of so many. */
const DROPS_PER_LOG_LINE = 10_000;
