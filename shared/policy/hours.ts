/**
 * When sessions are allowed: weekly windows by the wall clock of a time zone, pure. The clock on the
 * wall decides also where it is set: what it skips is never reached, what it shows twice counts
 * twice. Knows the zones through Intl alone, which every runtime has.
 */
import { z } from "zod";

export const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;

/** Three windows a day; each further one costs every ticket some microseconds. */
const WINDOWS_MAX = 21;

const windowSchema = z
  .strictObject({
    /** The days on which it begins. */
    days: z.array(z.enum(DAYS)).min(1).max(DAYS.length),
    from: z.string().regex(/^([01][0-9]|2[0-3]):[0-5][0-9]$/, 'must be a time such as "07:00"'),
    /** Not after `from`: on the next day. */
    to: z
      .string()
      .regex(/^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$/, 'must be a time such as "19:00"'),
  })
  .refine(({ from, to }) => from !== to, 'a window needs an end; all day is "00:00" to "24:00"');

export const hoursSchema = z.strictObject({
  /** An IANA name such as Europe/Zurich. */
  timeZone: z.string().max(64).refine(isTimeZone, "must be an IANA time zone: Europe/Zurich, UTC"),
  windows: z.array(windowSchema).min(1).max(WINDOWS_MAX),
});

/** Weekly windows; open while the wall clock is in one of them. */
export type Hours = z.infer<typeof hoursSchema>;

/** Whether it is open, and when that changes next; null: not within {@link HORIZON_MS}. */
export type Openness =
  | { readonly open: true; readonly closesAtMs: number | null }
  | { readonly open: false; readonly opensAtMs: number | null };

/** Whether all of these are open at that moment. */
export function opennessAt(everyHours: readonly Hours[], nowMs: number): Openness {
  const untilMs = nowMs + HORIZON_MS;
  const whole: readonly Span[] = [{ fromMs: nowMs, untilMs }];
  const [first] = everyHours.reduce(
    (spans, hours) => intersect(spans, openSpans(hours, nowMs, untilMs)),
    whole,
  );
  if (first?.fromMs === nowMs) {
    return { open: true, closesAtMs: first.untilMs < untilMs ? first.untilMs : null };
  }
  return { open: false, opensAtMs: first?.fromMs ?? null };
}

/** From a moment on, and before another one. */
interface Span {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** When the hours are open between two moments: apart from each other, and in order. */
function openSpans(hours: Hours, fromMs: number, untilMs: number): Span[] {
  const windows = weeklySpans(hours);
  const phaseAt = readPhases(hours.timeZone);
  const spans: Span[] = [];
  let phase = phaseAt(fromMs);
  for (let atMs = fromMs; atMs < untilMs;) {
    const weekMs = modulo(atMs + phase, WEEK_MS);
    const edgeMs = atMs + untilNextEdge(windows, weekMs);
    const phaseThen = phaseAt(edgeMs);
    // No zone's clock is set twice in a week: it was not if it is the same at both ends.
    const isSet = phaseThen !== phase;
    const nextMs = isSet ? findSetting(phaseAt, { fromMs: atMs, untilMs: edgeMs }) : edgeMs;
    if (windows.some((window) => window.fromMs <= weekMs && weekMs < window.untilMs)) {
      const last = spans.at(-1);
      const joined = last?.untilMs === atMs ? spans.pop() : undefined;
      spans.push({ fromMs: joined?.fromMs ?? atMs, untilMs: Math.min(nextMs, untilMs) });
    }
    atMs = nextMs;
    phase = phaseThen;
  }
  return spans;
}

/** What has to be added to a time to get the wall clock's, up to whole weeks. */
type PhaseAt = (atMs: number) => number;

/** The windows in milliseconds since Monday 00:00; one over the week's end is two. */
function weeklySpans({ windows }: Hours): Span[] {
  return windows.flatMap(({ days, from, to }) =>
    days.flatMap((day) => {
      const dayMs = DAYS.indexOf(day) * DAY_MS;
      const fromMs = dayMs + timeMs(from);
      const untilMs = dayMs + timeMs(to) + (to > from ? 0 : DAY_MS);
      return untilMs <= WEEK_MS
        ? [{ fromMs, untilMs }]
        : [
            { fromMs, untilMs: WEEK_MS },
            { fromMs: 0, untilMs: untilMs - WEEK_MS },
          ];
    }),
  );
}

/** How long until a window begins or ends, at most a week. */
function untilNextEdge(windows: readonly Span[], weekMs: number): number {
  const waits = windows
    .flatMap(({ fromMs, untilMs }) => [fromMs, untilMs])
    .map((edgeMs) => modulo(edgeMs - weekMs, WEEK_MS) || WEEK_MS);
  return Math.min(...waits);
}

/** The moment at which the clock is set; it is once between the two. */
function findSetting(phaseAt: PhaseAt, { fromMs, untilMs }: Span): number {
  const phase = phaseAt(fromMs);
  let beforeMs = fromMs;
  let afterMs = untilMs;
  while (afterMs - beforeMs > 1) {
    const middleMs = Math.floor((beforeMs + afterMs) / 2);
    if (phaseAt(middleMs) === phase) {
      beforeMs = middleMs;
    } else {
      afterMs = middleMs;
    }
  }
  return afterMs;
}

function intersect(left: readonly Span[], right: readonly Span[]): Span[] {
  return left.flatMap((one) =>
    right
      .map((other) => ({
        fromMs: Math.max(one.fromMs, other.fromMs),
        untilMs: Math.min(one.untilMs, other.untilMs),
      }))
      .filter(({ fromMs, untilMs }) => fromMs < untilMs),
  );
}

function readPhases(timeZone: string): PhaseAt {
  const format = formatOf(timeZone);
  return (atMs) => {
    const parts = format.formatToParts(atMs).map(({ type, value }) => partMs(type, value));
    const localMs = parts.reduce((sum, ms) => sum + ms, modulo(atMs, SECOND_MS));
    return modulo(localMs - atMs, WEEK_MS);
  };
}

/** What a part of the wall clock's time is worth; what stands between the parts: nothing. */
function partMs(type: Intl.DateTimeFormatPartTypes, value: string): number {
  if (type === "weekday") {
    return DAYS.findIndex((day) => day === value.toLowerCase()) * DAY_MS;
  }
  const unitMs = PART_MS[type];
  return unitMs === undefined ? 0 : Number(value) * unitMs;
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat("en-US", {
    timeZone,
    hourCycle: "h23",
    weekday: "short",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
}

/** Names only: an offset such as +01:00 knows no summer. */
function isTimeZone(name: string): boolean {
  try {
    return /^[A-Za-z]/.test(name) && formatOf(name) !== null;
  } catch {
    return false;
  }
}

function timeMs(text: string): number {
  const [hours, minutes] = text.split(":").map(Number);
  return (hours ?? 0) * HOUR_MS + (minutes ?? 0) * MINUTE_MS;
}

/** In [0, divisor) also for what is negative. */
function modulo(value: number, divisor: number): number {
  return ((value % divisor) + divisor) % divisor;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;
const PART_MS: Readonly<Partial<Record<Intl.DateTimeFormatPartTypes, number>>> = {
  hour: HOUR_MS,
  minute: MINUTE_MS,
  second: SECOND_MS,
};
/** Every week is alike but for the one in which the clock is set: two of them show everything. */
const HORIZON_MS = 15 * DAY_MS;
