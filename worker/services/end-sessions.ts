/**
 * Ends sessions by order of the control plane. What shall end is stored first, so that no ticket of
 * it opens anything more; then the relays are told. One that is away is told when it comes back.
 * What nobody had opened is over when its relay has heard; what was open, when its relay says so.
 */
import type { ErrorCode } from "#shared/errors/catalogue.ts";
import {
  listPresumedSessions,
  type Presumption,
  type SessionsOf,
} from "../repositories/presumed-sessions.ts";
import {
  listLiveSessions,
  type LiveSession,
  recordTerminations,
} from "../repositories/sessions.ts";
import { listLiveSessionsOfShare } from "../repositories/shares.ts";
import { auditRecord } from "./audit-record.ts";
import type { Caller, ServiceContext } from "./context.ts";
import { endTerminated } from "./unopened-sessions.ts";

/** What became of an order to end sessions. */
export interface EndedSessions {
  /** Their relays end them now. */
  readonly ending: readonly string[];
  /** Their relays could not be told now, and why; they are told when they come back. */
  readonly unreached: readonly { readonly sessionId: string; readonly code: ErrorCode }[];
}

/** Ends living sessions. @param reasonOf what each relay is told, for its log. */
export async function endSessions(
  context: ServiceContext,
  caller: Caller,
  live: readonly LiveSession[],
  reasonOf: (session: LiveSession) => string,
): Promise<EndedSessions> {
  if (live.length === 0) {
    return { ending: [], unreached: [] };
  }
  const ids = live.map(({ id }) => id);
  const event = { type: "session.terminate-requested", data: {} } as const;
  const audits = live.map(({ id, consoleId, relayId }) =>
    auditRecord(context, caller, event, {
      consoleId,
      sessionId: id,
      ...(relayId === null ? {} : { relayId }),
    }),
  );
  const termination = { ids, by: caller.actorId, atMs: context.nowMs() };
  await recordTerminations(context.database, termination, audits);
  const failures = new Map<string, ErrorCode>();
  for (let start = 0; start < live.length; start += TOLD_AT_ONCE) {
    await Promise.all(
      live.slice(start, start + TOLD_AT_ONCE).map(async (session) => {
        const code = await tellRelay(context, session, reasonOf(session));
        if (code !== null) {
          failures.set(session.id, code);
        }
      }),
    );
  }
  const ending = ids.filter((id) => !failures.has(id));
  await endTerminated(context, ending);
  return {
    ending,
    unreached: [...failures].map(([sessionId, code]) => ({ sessionId, code })),
  };
}

/**
 * The sessions that an order to end has to reach, so many at most: those that live, then those that
 * are only presumed to have ended. Their relay may carry them on while it is away, and an order that
 * it is not sent would be lost when it comes back.
 */
export async function listEndable(
  { database, nowMs }: ServiceContext,
  of: Exclude<SessionsOf, { readonly sessionId: string }>,
  limit: number,
): Promise<LiveSession[]> {
  const [live, presumed] = await Promise.all([
    "shareId" in of
      ? listLiveSessionsOfShare(database, of.shareId)
      : listLiveSessions(database, of, limit),
    listPresumedSessions(database, of, { ...presumptionAt(nowMs()), limit }),
  ]);
  return [...live, ...presumed].slice(0, limit);
}

/** Whether a session that is shown ended may live at its relay all the same. */
export async function mayLiveOn(
  { database, nowMs }: ServiceContext,
  sessionId: string,
): Promise<boolean> {
  const wanted = { ...presumptionAt(nowMs()), limit: 1 };
  return (await listPresumedSessions(database, { sessionId }, wanted)).length > 0;
}

function presumptionAt(nowMs: number): Presumption {
  return { endedAfterMs: nowMs - LOST_FOR_GOOD_MS, backAfterMs: nowMs - BACKLOG_MS };
}

/** Why the relay could not be told; null when it was, or when there is none. */
async function tellRelay(
  context: ServiceContext,
  session: LiveSession,
  reason: string,
): Promise<ErrorCode | null> {
  if (session.relayId === null) {
    return null;
  }
  const command = {
    kind: "terminate",
    sessionId: session.id,
    reason,
    cause: "terminated",
  } as const;
  const pushed = await context.hubs.push(session.relayId, command);
  return pushed.ok ? null : pushed.error.code;
}

/** Each waits for its relay's word, at most a few seconds; a platform bounds what is open at once. */
const TOLD_AT_ONCE = 6;
/** A relay that stays away longer is taken for gone, and its sessions with it. */
const LOST_FOR_GOOD_MS = 30 * 86_400_000;
/** A relay that is back has its snapshot stored by then, also behind a long backlog. */
const BACKLOG_MS = 5 * 60_000;
