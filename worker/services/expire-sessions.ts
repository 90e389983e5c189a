/** Ends sessions that nobody opened before their ticket expired. Idempotent; called by the hub. */
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
        { relayId, sessionId: session.id, consoleId: session.consoleId },
      ),
  );
  return nextMs === null ? null : Math.max(nowMs, nextMs + OPENING_GRACE_MS);
}

/** A ticket may come in its last second, and the relay then has to dial the hypervisor. */
export const OPENING_GRACE_MS = 30_000;
