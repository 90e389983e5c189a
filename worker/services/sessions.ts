/** Sessions as users and admins see them, and their end by command. */
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { may } from "../identity/permissions.ts";
import { listSessions, type SessionCursor } from "../repositories/session-list.ts";
import {
  findSession,
  type FoundSession,
  recordTermination,
  type SessionSummary,
} from "../repositories/sessions.ts";
import { auditRecord } from "./audit-record.ts";
import type { Caller, ServiceContext } from "./context.ts";
import type { TicketCaller } from "./tickets.ts";

/** What a caller may see of a session. */
export interface SessionView extends Omit<SessionSummary, "userId" | "username"> {
  /** Null where it is not told: somebody else's session of a console that the caller owns. */
  readonly user: { readonly id: string; readonly username: string } | null;
}

/**
 * A page of sessions, newest first: the caller's own and those of consoles that they own, or
 * everybody's to whoever may read them. With `consoleId` only those of that console. A page may have
 * fewer rows than asked for; only `next` says whether there are more.
 */
export async function pageSessions(
  context: ServiceContext,
  caller: TicketCaller,
  page: {
    readonly consoleId?: string | undefined;
    readonly after: SessionCursor | null;
    readonly limit: number;
  },
): Promise<{ readonly items: SessionView[]; readonly next: SessionCursor | null }> {
  const { rows, resume } = await listSessions(context.database, {
    userId: caller.actorId,
    seesAll: may(caller, "sessions.read-all"),
    consoleId: page.consoleId,
    after: page.after,
    // One more than asked for tells whether there is another page.
    limit: page.limit + 1,
  });
  const last = rows.length > page.limit ? rows[page.limit - 1] : undefined;
  return {
    items: rows.slice(0, page.limit).map((row) => viewSession(row, caller)),
    next: last === undefined ? resume : { createdAtMs: last.createdAtMs, id: last.id },
  };
}

/** Fails with `resource.not-found`, also for a session that is not the caller's to see. */
export async function readSession(
  context: ServiceContext,
  caller: TicketCaller,
  id: string,
): Promise<Result<SessionView, Failure>> {
  const row = await findSession(context.database, { id, userId: caller.actorId });
  if (row === null || !isVisible(row, caller)) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  const { ownsConsole: _judged, ...session } = row;
  return ok(viewSession(session, caller));
}

/**
 * Tells the session's relay to end it: a user their own, an owner those of their console. The value
 * says whether there was anything to end: a session that has ended already is a success. Fails with
 * `resource.not-found`, `auth.forbidden`, or the code of the push when the relay could not be told;
 * then the session may still live.
 */
export async function terminateSession(
  context: ServiceContext,
  caller: TicketCaller,
  id: string,
): Promise<Result<"requested" | "ended", Failure>> {
  const row = await findSession(context.database, { id, userId: caller.actorId });
  if (row === null || !isVisible(row, caller)) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  const isOwn = row.userId === caller.actorId;
  if (!isOwn && !row.ownsConsole && !may(caller, "sessions.end-all")) {
    return fail({ code: "auth.forbidden", detail: "" });
  }
  if (row.state === "ended" || row.relayId === null) {
    return ok("ended");
  }
  const who = isOwn ? "its user" : row.ownsConsole ? "the console's owner" : "an admin";
  const { consoleId, relayId } = row;
  const pushed = await tellToEnd(context, caller, { id, consoleId, relayId }, `ended by ${who}`);
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

function isVisible(row: FoundSession, caller: TicketCaller): boolean {
  return may(caller, "sessions.read-all") || row.userId === caller.actorId || row.ownsConsole;
}

/**
 * The exact reason of an end may name the hypervisor's address, which is for those who run things.
 * Who somebody else is, is for them too: a console's owner sees that there is a session.
 */
function viewSession(row: SessionSummary, caller: TicketCaller): SessionView {
  const { userId, username, ...session } = row;
  const user = { id: userId, username };
  if (may(caller, "sessions.read-all")) {
    return { ...session, user };
  }
  return userId === caller.actorId
    ? { ...session, user, endDetail: null }
    : { ...session, user: null, clientAddress: null, shareLabel: null, endDetail: null };
}
