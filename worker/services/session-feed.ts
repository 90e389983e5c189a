/**
 * Follows the changes of the sessions that a caller may see. The database numbers the changes and
 * is asked for what is new; nothing has to be told to anybody, so nothing is missed when a process
 * ends, and a follower goes on where it was by the last number that it saw.
 */
import { readFeed, readFeedBounds, sweepFeed } from "../repositories/session-feed.ts";
import type { ActingUser, ServiceContext } from "./context.ts";
import { type SessionView, viewerOf, viewSession } from "./sessions.ts";

export type FeedItem =
  /** Follows from here; `missed` says that older changes are forgotten: read the list again. */
  | { readonly kind: "ready"; readonly seq: number; readonly missed: boolean }
  /** The session as it is after its last change. */
  | { readonly kind: "session"; readonly seq: number; readonly session: SessionView }
  /** Nothing has happened for a while. */
  | { readonly kind: "idle" }
  /** The caller has lost the right to follow. */
  | { readonly kind: "ended" };

/** What following needs of its caller's side. */
export interface Following {
  /** The last number that was seen; null: from now on. */
  readonly afterSeq: number | null;
  /** Resolves after so many milliseconds; false when the follower has gone. */
  readonly sleep: (ms: number) => Promise<boolean>;
  /** Whether the caller may go on; asked now and then. */
  readonly isStillAllowed: () => Promise<boolean>;
}

/** Ends by itself after FOLLOW_LIFE_MS; the follower then comes again with its last number. */
export async function* followSessions(
  context: ServiceContext,
  caller: ActingUser,
  following: Following,
): AsyncGenerator<FeedItem> {
  const { database, nowMs } = context;
  const viewer = viewerOf(caller);
  const startMs = nowMs();
  let seenSeq = 0;
  for (const item of await begin(context, following.afterSeq)) {
    seenSeq = item.seq;
    yield item;
  }
  let allowedAtMs = startMs;
  let saidAtMs = startMs;
  while (nowMs() - startMs < FOLLOW_LIFE_MS) {
    if (nowMs() - allowedAtMs >= ALLOWANCE_MS) {
      if (!(await following.isStillAllowed())) {
        yield { kind: "ended" };
        return;
      }
      allowedAtMs = nowMs();
    }
    const page = await readFeed(database, { viewer, afterSeq: seenSeq, limit: CHANGES_READ_MAX });
    ({ seenSeq } = page);
    for (const { seq, session } of page.changes) {
      yield { kind: "session", seq, session: viewSession(session, caller) };
    }
    if (page.changes.length > 0) {
      saidAtMs = nowMs();
    } else if (nowMs() - saidAtMs >= IDLE_MS) {
      saidAtMs = nowMs();
      yield { kind: "idle" };
    }
    if (!(await following.sleep(page.more ? 0 : READ_EVERY_MS))) {
      return;
    }
  }
}

/** Forgets what no follower comes back for any more. Idempotent. */
export async function sweepSessionFeed(context: ServiceContext): Promise<void> {
  const atOnceMax = SWEPT_AT_ONCE_MAX;
  for (let round = 0; round < SWEEP_ROUNDS_MAX; round += 1) {
    const swept = await sweepFeed(context.database, { kept: CHANGES_KEPT, atOnceMax });
    if (swept < atOnceMax) {
      return;
    }
  }
}

async function begin(
  context: ServiceContext,
  afterSeq: number | null,
): Promise<Extract<FeedItem, { kind: "ready" }>[]> {
  const bounds = await readFeedBounds(context.database);
  const lastSeq = bounds?.lastSeq ?? 0;
  if (afterSeq === null) {
    return [{ kind: "ready", seq: lastSeq, missed: false }];
  }
  // A number from before what is kept, or from another database, continues nothing.
  const missed = afterSeq > lastSeq || afterSeq + 1 < (bounds?.firstSeq ?? 1);
  return [{ kind: "ready", seq: missed ? lastSeq : afterSeq, missed }];
}

/** How soon a change is told; one indexed query each time and follower. */
export const READ_EVERY_MS = 1_000;
/** A platform lets one answer make some thousand requests of its own; this stays well below. */
export const FOLLOW_LIFE_MS = 10 * 60 * 1000;
/** A login that was ended follows no longer than this. */
export const ALLOWANCE_MS = 15_000;
/** Below the minute after which middle-boxes close what is silent. */
export const IDLE_MS = 15_000;
const CHANGES_READ_MAX = 1_000;
/** At 100 changes a second what is kept lasts for a reconnect of minutes. */
const CHANGES_KEPT = 50_000;
const SWEPT_AT_ONCE_MAX = 10_000;
const SWEEP_ROUNDS_MAX = 50;
