/**
 * Ends sessions that nobody opened before their ticket expired. Idempotent. Each relay's hub asks
 * for it as soon as one may have expired; a job asks for all relays, for sessions whose grant never
 * came to any hub because the control plane ended in between.
 */
import { endUnopenedSessions } from "../repositories/session-lifecycle.ts";
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

async function endExpired(context: ServiceContext, relayId: string | null): Promise<number | null> {
  const nowMs = context.nowMs();
  const nextMs = await endUnopenedSessions(
    context.database,
    {
      relayId,
      expiredAtMs: nowMs - OPENING_GRACE_MS,
      patch: { state: "ended", endedAtMs: nowMs, endReason: "never-opened" },
    },
    (session) =>
      auditRecord(
        context,
        SYSTEM_CALLER,
        {
          type: "session.ended",
          data: { reason: "never-opened", clientBytes: 0, serverBytes: 0 },
        },
        { relayId: session.relayId, sessionId: session.id, consoleId: session.consoleId },
      ),
  );
  return nextMs === null ? null : Math.max(nowMs, nextMs + OPENING_GRACE_MS);
}

/** A ticket may come in its last second, and the relay then has to dial the hypervisor. */
export const OPENING_GRACE_MS = 30_000;
