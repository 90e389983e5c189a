/**
 * Ends sessions by order of the control plane. What shall end is stored first, so that no ticket of
 * it opens anything more; then the relays are told. One that is away is told when it comes back.
 */
import type { ErrorCode } from "#shared/errors/catalogue.ts";
import { type LiveSession, recordTerminations } from "../repositories/sessions.ts";
import { auditRecord } from "./audit-record.ts";
import type { Caller, ServiceContext } from "./context.ts";

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
  return {
    ending: ids.filter((id) => !failures.has(id)),
    unreached: [...failures].map(([sessionId, code]) => ({ sessionId, code })),
  };
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
