/**
 * The events that the control plane has not stored yet, in order, bounded by count and bytes. When
 * full, the oldest minor events go first: channels, because a session's end still tells its totals,
 * and refused tickets, because any stranger can cause as many as he likes. Then go the oldest of
 * any kind. It touches no disk and reads no clock.
 */
import type { NumberedEvent } from "#shared/control/contract.ts";

export interface SpoolBounds {
  readonly eventsMax: number;
  /** UTF-8 bytes of the events' lines. */
  readonly bytesMax: number;
}

interface Entry {
  readonly seq: number;
  readonly sizeBytes: number;
  /** Null: dropped; the place stays until the next tidying. */
  event: NumberedEvent | null;
}

/** A queue with holes; every operation is cheap on average. */
export class SpoolQueue {
  readonly #bounds: SpoolBounds;
  #entries: Entry[] = [];
  #count = 0;
  #sizeBytes = 0;
  /** No minor event stands before this place. */
  #minorFrom = 0;

  constructor(bounds: SpoolBounds) {
    this.#bounds = bounds;
  }

  get count(): number {
    return this.#count;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Appends an event, whose number is the highest so far. Returns how many had to be dropped. */
  push(event: NumberedEvent, sizeBytes: number): number {
    this.#entries.push({ seq: event.seq, sizeBytes, event });
    this.#count += 1;
    this.#sizeBytes += sizeBytes;
    let dropped = 0;
    while (this.#count > this.#bounds.eventsMax || this.#sizeBytes > this.#bounds.bytesMax) {
      this.#dropOne();
      dropped += 1;
    }
    this.#tidy();
    return dropped;
  }

  /** Forgets everything up to `seq`. */
  trim(seq: number): void {
    const kept = this.#indexAfter(seq);
    for (const entry of this.#entries.slice(0, kept)) {
      this.#clear(entry);
    }
    this.#entries.splice(0, kept);
    this.#minorFrom = Math.max(0, this.#minorFrom - kept);
  }

  /** Forgets earlier snapshots: a later one says everything that they would. */
  dropSnapshots(): void {
    for (const entry of this.#entries) {
      if (entry.event?.event.type === "relay.snapshot") {
        this.#clear(entry);
      }
    }
  }

  /** The next events after `afterSeq`, at most so many and so many bytes, but at least one. */
  next(afterSeq: number, countMax: number, bytesMax: number): NumberedEvent[] {
    const events: NumberedEvent[] = [];
    let sizeBytes = 0;
    for (let index = this.#indexAfter(afterSeq); index < this.#entries.length; index += 1) {
      const entry = this.#entries[index];
      if (entry === undefined || entry.event === null) {
        continue;
      }
      sizeBytes += entry.sizeBytes;
      if (events.length >= countMax || (events.length > 0 && sizeBytes > bytesMax)) {
        break;
      }
      events.push(entry.event);
    }
    return events;
  }

  /** All events, oldest first. */
  all(): NumberedEvent[] {
    return this.#entries.flatMap((entry) => (entry.event === null ? [] : [entry.event]));
  }

  #dropOne(): void {
    while (this.#minorFrom < this.#entries.length) {
      const entry = this.#entries[this.#minorFrom];
      this.#minorFrom += 1;
      if (entry !== undefined && isMinor(entry)) {
        this.#clear(entry);
        return;
      }
    }
    const oldest = this.#entries.find((entry) => entry.event !== null);
    if (oldest !== undefined) {
      this.trim(oldest.seq);
    }
  }

  #clear(entry: Entry): void {
    if (entry.event !== null) {
      entry.event = null;
      this.#count -= 1;
      this.#sizeBytes -= entry.sizeBytes;
    }
  }

  /** Takes the holes out once they outnumber the events. */
  #tidy(): void {
    if (this.#entries.length - this.#count <= this.#count + HOLES_ALLOWED) {
      return;
    }
    const before = this.#entries.slice(0, this.#minorFrom);
    this.#minorFrom = before.filter((entry) => entry.event !== null).length;
    this.#entries = this.#entries.filter((entry) => entry.event !== null);
  }

  /** The first place whose number is above `seq` (binary search). */
  #indexAfter(seq: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle]?.seq ?? 0) <= seq) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
}

function isMinor({ event }: Entry): boolean {
  const type = event?.event.type ?? "";
  return type.startsWith("channel.") || type === "ticket.refused";
}

/** Holes beyond the number of events that are not worth a copy of the queue. */
const HOLES_ALLOWED = 1024;
