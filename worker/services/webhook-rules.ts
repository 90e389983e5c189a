/** When a message is tried again, and what goes into one, pure. */
import { asksForType } from "#shared/audit/event-patterns.ts";
import { writeAuditLine } from "#shared/audit/audit-line.ts";
import type { StoredAuditEvent } from "#shared/audit/stored-event.ts";

/** An event with its place in the trail. */
export type PlacedEvent = StoredAuditEvent & { readonly position: number };

export interface Message {
  /** The events as JSON, each as the API lists it. */
  readonly events: readonly string[];
  /** The place up to which the message and what it left out reach. */
  readonly lastPosition: number;
}

/**
 * The next message out of what follows in the trail: what the webhook wants, up to the bounds. No
 * events: none of these are wanted, and `lastPosition` is the last of them.
 */
export function composeMessage(
  placed: readonly PlacedEvent[],
  patterns: readonly string[],
): Message | null {
  const events: string[] = [];
  let sizeCharacters = 0;
  let lastPosition: number | null = null;
  for (const { position, ...event } of placed) {
    if (asksForType(patterns, event.type)) {
      const line = JSON.stringify(writeAuditLine(event));
      const isFull =
        events.length === EVENTS_PER_MESSAGE_MAX ||
        (events.length > 0 && sizeCharacters + line.length > MESSAGE_CHARACTERS_MAX);
      if (isFull) {
        break;
      }
      events.push(line);
      sizeCharacters += line.length;
    }
    lastPosition = position;
  }
  return lastPosition === null ? null : { events, lastPosition };
}

/**
 * How long to wait after so many failed attempts; null: no more are made. @param random from 0 to 1,
 * so that receivers which come back are not met by everybody at once.
 */
export function retryDelayMs(attempts: number, random: number): number | null {
  const delayMs = RETRY_DELAYS_MS[attempts - 1];
  return delayMs === undefined ? null : Math.round(delayMs * (1 - JITTER + 2 * JITTER * random));
}

/** Dead letters one after the other that disable a webhook: days without a single success. */
export const DEAD_LETTERS_MAX = 3;

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Ten attempts within a day: soon at first, for a restart, and then for a night's outage. */
const RETRY_DELAYS_MS = [
  10_000,
  MINUTE_MS,
  5 * MINUTE_MS,
  20 * MINUTE_MS,
  HOUR_MS,
  2 * HOUR_MS,
  4 * HOUR_MS,
  8 * HOUR_MS,
  8 * HOUR_MS,
];
const JITTER = 0.2;
/** Enough that a busy trail needs few requests, and little enough to be repeated as a whole. */
const EVENTS_PER_MESSAGE_MAX = 200;
const MESSAGE_CHARACTERS_MAX = 256 * 1024;
