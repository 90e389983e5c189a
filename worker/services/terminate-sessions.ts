/** Ending sessions by request: one, all of a console, all of a user. Who may is decided here. */
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { may } from "../identity/permissions.ts";
import { findSession, listLiveSessions, type LiveSession } from "../repositories/sessions.ts";
import type { ServiceContext } from "./context.ts";
import { type EndedSessions, endSessions } from "./end-sessions.ts";
import { viewerOf } from "./sessions.ts";
import type { TicketCaller } from "./tickets.ts";

/** What became of an order to end many. */
export interface Terminations extends EndedSessions {
  /** There were more than one call ends: ask again. */
  readonly more: boolean;
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
  const row = await findSession(context.database, { id, viewer: viewerOf(caller) });
  if (row === null) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  if (row.userId !== caller.actorId && !may(caller, "sessions.end-all")) {
    return fail({ code: "auth.forbidden", detail: "" });
  }
  if (row.state === "ended" || row.relayId === null) {
    return ok("ended");
  }
  const { unreached } = await endSessions(context, caller, [row], reasonFor(caller));
  const [failed] = unreached;
  return failed === undefined ? ok("requested") : fail({ code: failed.code, detail: "" });
}

/** Ends the living sessions of a console. Fails with `auth.forbidden` unless all may be ended. */
export async function terminateSessionsOfConsole(
  context: ServiceContext,
  caller: TicketCaller,
  consoleId: string,
): Promise<Result<Terminations, Failure>> {
  return may(caller, "sessions.end-all")
    ? ok(await terminateLive(context, caller, { consoleId }))
    : fail({ code: "auth.forbidden", detail: "" });
}

/** Ends the living sessions of a user, who may also be the caller. Fails with `auth.forbidden`. */
export async function terminateSessionsOfUser(
  context: ServiceContext,
  caller: TicketCaller,
  userId: string,
): Promise<Result<Terminations, Failure>> {
  return userId === caller.actorId || may(caller, "sessions.end-all")
    ? ok(await terminateLive(context, caller, { userId }))
    : fail({ code: "auth.forbidden", detail: "" });
}

async function terminateLive(
  context: ServiceContext,
  caller: TicketCaller,
  of: { readonly consoleId: string } | { readonly userId: string },
): Promise<Terminations> {
  const live = await listLiveSessions(context.database, of, TERMINATIONS_AT_ONCE_MAX + 1);
  const now = live.slice(0, TERMINATIONS_AT_ONCE_MAX);
  const ended = await endSessions(context, caller, now, reasonFor(caller));
  return { ...ended, more: live.length > now.length };
}

function reasonFor(caller: TicketCaller): (session: LiveSession) => string {
  return ({ userId }) =>
    userId === caller.actorId ? "ended by its user" : "ended by an administrator";
}

/** Each is a push that is waited for; more would keep the caller waiting too long. */
const TERMINATIONS_AT_ONCE_MAX = 100;
