/** Sessions as users and admins see them, and their end by command. */
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { may } from "../identity/permissions.ts";
import {
  findSession,
  listSessions,
  recordTermination,
  type SessionCursor,
  type SessionSummary,
} from "../repositories/sessions.ts";
import { auditRecord } from "./audit-record.ts";
import type { Caller, ServiceContext } from "./context.ts";
import type { TicketCaller } from "./tickets.ts";

/** A page of the caller's sessions, newest first, or of everybody's to whoever may read them. */
export async function pageSessions(
  context: ServiceContext,
  caller: TicketCaller,
  page: { readonly after: SessionCursor | null; readonly limit: number },
): Promise<{ readonly items: SessionSummary[]; readonly next: SessionCursor | null }> {
  const rows = await listSessions(context.database, {
    userId: may(caller, "sessions.read-all") ? null : caller.actorId,
    after: page.after,
    // One more than asked for tells whether there is another page.
    limit: page.limit + 1,
  });
  const last = rows.length > page.limit ? rows[page.limit - 1] : undefined;
  return {
    items: rows.slice(0, page.limit).map((row) => viewSession(row, caller)),
    next: last === undefined ? null : { createdAtMs: last.createdAtMs, id: last.id },
  };
}

/** Fails with `resource.not-found`, also for another user's session. */
export async function readSession(
  context: ServiceContext,
  caller: TicketCaller,
  id: string,
): Promise<Result<SessionSummary, Failure>> {
  const row = await findSession(context.database, id);
  if (row === null || !isVisible(row, caller)) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  return ok(viewSession(row, caller));
}

/**
 * Tells the session's relay to end it. The value says whether there was anything to end: a session
 * that has ended already is a success. Fails with `resource.not-found`, `auth.forbidden`, or the
 * code of the push when the relay could not be told; then the session may still live.
 */
export async function terminateSession(
  context: ServiceContext,
  caller: TicketCaller,
  id: string,
): Promise<Result<"requested" | "ended", Failure>> {
  const row = await findSession(context.database, id);
  if (row === null || !isVisible(row, caller)) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  if (row.userId !== caller.actorId && !may(caller, "sessions.end-all")) {
    return fail({ code: "auth.forbidden", detail: "" });
  }
  if (row.state === "ended" || row.relayId === null) {
    return ok("ended");
  }
  const reason = row.userId === caller.actorId ? "ended by its user" : "ended by an admin";
  const { consoleId, relayId } = row;
  const pushed = await tellToEnd(context, caller, { id, consoleId, relayId }, reason);
  return pushed.ok ? ok("requested") : fail({ code: pushed.error.code, detail: "" });
}

/** Withdraws the session's ticket and tells its relay to end it, also one that is away. */
export async function tellToEnd(
  context: ServiceContext,
  caller: Caller,
  session: { readonly id: string; readonly consoleId: string; readonly relayId: string },
  reason: string,
): Promise<Result<null, Failure>> {
  const { id, consoleId, relayId } = session;
  const audit = auditRecord(
    context,
    caller,
    { type: "session.terminate-requested", data: {} },
    { consoleId, sessionId: id, relayId },
  );
  await recordTermination(context.database, { id, atMs: context.nowMs() }, audit);
  const command = { kind: "terminate", sessionId: id, reason, cause: "terminated" } as const;
  return await context.hubs.push(relayId, command);
}

function isVisible(row: SessionSummary, caller: TicketCaller): boolean {
  return may(caller, "sessions.read-all") || row.userId === caller.actorId;
}

/** The exact reason of an end may name the hypervisor's address, which is for those who run things. */
function viewSession(row: SessionSummary, caller: TicketCaller): SessionSummary {
  return may(caller, "sessions.read-all") ? row : { ...row, endDetail: null };
}
