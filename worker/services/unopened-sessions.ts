/**
 * Ends sessions that nobody opened: before their ticket expired, or before somebody ended them.
 * Idempotent. For the expired ones each relay's hub asks as soon as there may be one; a job asks for
 * all relays, for sessions whose grant never came to any hub because the control plane ended in
 * between.
 */
import {
  endPendingSessions,
  endUnopenedSessions,
  type SessionPatch,
  type UnopenedSession,
} from "../repositories/session-lifecycle.ts";
import { auditRecord, SYSTEM_CALLER } from "./audit-record.ts";
import type { ServiceContext } from "./context.ts";

/**
 * Ends the relay's sessions that were never opened. The value is when to look again, in
 * milliseconds since 1970, or null when no session of that relay waits to be opened.
 */
export async function expireSessions(
  context: ServiceContext,
  relayId: string,
): Promise<number | null> {
  return await endExpired(context, relayId);
}

/** Ends every relay's sessions that were never opened, up to a bound; says whether there are more. */
export async function expireAllSessions(
  context: ServiceContext,
): Promise<{ readonly again: boolean }> {
  const nextMs = await endExpired(context, null);
  return { again: nextMs !== null && nextMs <= context.nowMs() };
}

/**
 * Ends those of the sessions that wait to be opened: their relays have acknowledged that they are
 * to open nothing any more. One that a relay had opened just before, it tells of itself.
 */
export async function endTerminated(
  context: ServiceContext,
  ids: readonly string[],
): Promise<void> {
  const patch = patchOf("terminated", context.nowMs());
  await endPendingSessions(context.database, { ids, patch }, (session) =>
    record(context, session, "terminated"),
  );
}

async function endExpired(context: ServiceContext, relayId: string | null): Promise<number | null> {
  const nowMs = context.nowMs();
  const nextMs = await endUnopenedSessions(
    context.database,
    {
      relayId,
      expiredAtMs: nowMs - OPENING_GRACE_MS,
      patchOf: (session) => patchOf(reasonOf(session), nowMs),
    },
    (session) => record(context, session, reasonOf(session)),
  );
  return nextMs === null ? null : Math.max(nowMs, nextMs + OPENING_GRACE_MS);
}

type UnopenedReason = "never-opened" | "terminated";

function reasonOf({ endRequestedAtMs }: UnopenedSession): UnopenedReason {
  return endRequestedAtMs === null ? "never-opened" : "terminated";
}

function patchOf(endReason: UnopenedReason, endedAtMs: number): SessionPatch {
  return { state: "ended", endedAtMs, endReason };
}

function record(context: ServiceContext, session: UnopenedSession, reason: UnopenedReason) {
  const { id: sessionId, consoleId, relayId } = session;
  const data = { reason, clientBytes: 0, serverBytes: 0 };
  return auditRecord(
    context,
    SYSTEM_CALLER,
    { type: "session.ended", data },
    { consoleId, sessionId, ...(relayId === null ? {} : { relayId }) },
  );
}

/** A ticket may come in its last second, and the relay then has to dial the hypervisor. */
export const OPENING_GRACE_MS = 30_000;
