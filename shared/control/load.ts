/**
 * How loaded a relay is: what it reports, and how that becomes a level. Relay and hub judge by the
 * same rules, so that a report which would change nothing is neither sent nor stored.
 *
 * The level is the fullest of three measures, in tenths. It rises at once and falls only when the
 * load is half a step below it: a load that swings around a border is one level, not two.
 */
import { z } from "zod";

export const loadSchema = z.object({
  sessions: z.int().nonnegative(),
  /** Channels that are admitted and have not ended. */
  channels: z.int().nonnegative(),
  /** SPICE bytes forwarded each second, both directions together. */
  bytesPerS: z.int().nonnegative(),
  /** CPU time of all its processes, as a share of the time of all CPUs that it may use. */
  cpuShare: z.number().min(0).max(1),
  /** How late the timers of its busiest process run on average, in milliseconds. */
  loopDelayMs: z.number().min(0).max(60_000),
});

export type Load = z.infer<typeof loadSchema>;

/** What of a load decides about placement. */
export interface LoadLevel {
  /** Tenths of what it can carry: 0 to LOAD_LEVEL_MAX. */
  readonly level: number;
  /** All channels that it can carry are taken. */
  readonly full: boolean;
}

export const LOAD_LEVEL_MAX = 10;

/**
 * Where a loop counts as full: every message waits that long in each direction, and with it typing
 * and pointing feel slow to anybody.
 */
export const LOOP_DELAY_FULL_MS = 100;

/** Between two reports of one relay, at the least. */
export const LOAD_REPORT_INTERVAL_MS = 10_000;

/** How often numbers are told that move no level, so that people who look see recent ones. */
export const LOAD_REFRESH_INTERVAL_MS = 60_000;

/**
 * Between two writes of one relay's level to the database, at the least. With 2,000 relays that all
 * swing from level to level it is 67 writes a second; in calm weather hardly one.
 */
export const LOAD_WRITE_INTERVAL_MS = 30_000;

/** How often numbers are written that move no level: 2,000 relays make 3.3 writes a second. */
export const LOAD_REWRITE_INTERVAL_MS = 600_000;

/** The level of a load; `before` is the level that is known, null when there is none. */
export function levelOf(load: Load, channelsMax: number, before: LoadLevel | null): LoadLevel {
  const channelShare = load.channels / channelsMax;
  const share = Math.max(channelShare, load.cpuShare, load.loopDelayMs / LOOP_DELAY_FULL_MS);
  const tenths = Math.min(1, share) * LOAD_LEVEL_MAX;
  const risen = Math.floor(tenths);
  const fallen = Math.floor(tenths + FALL_MARGIN);
  const isFull = channelShare >= 1 || (before?.full === true && channelShare > FULL_UNTIL_SHARE);
  if (before === null || risen > before.level) {
    return { level: risen, full: isFull };
  }
  return { level: Math.min(before.level, fallen), full: isFull };
}

export function isSameLevel(one: LoadLevel, other: LoadLevel): boolean {
  return one.level === other.level && one.full === other.full;
}

/** Whether what people count has changed; the rest moves all the time. */
export function isSameCount(one: Load, other: Load): boolean {
  return one.sessions === other.sessions && one.channels === other.channels;
}

/** Tenths that a load must be below a level's border before the level falls. */
const FALL_MARGIN = 0.5;
/** A relay that was full is not, once a twentieth of its channels is free again. */
const FULL_UNTIL_SHARE = 0.95;
