/** Ending sessions by request: one, all of a console, all of a user. Who may is decided here. */
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { may } from "../identity/permissions.ts";
import { findConsoleSummary } from "../repositories/consoles.ts";
import { findSession, type LiveSession } from "../repositories/sessions.ts";
import { findUser } from "../repositories/users.ts";
import { judgeConsole } from "./access.ts";
import type { ActingUser, ServiceContext } from "./context.ts";
import { type EndedSessions, endSessions, listEndable, mayLiveOn } from "./end-sessions.ts";
import { isVisible } from "./sessions.ts";

/** What became of an order to end many. */
export interface Terminations extends EndedSessions {
  /** There were more than one call ends: ask again. */
  readonly more: boolean;
}

/**
 * Tells the session's relay to end it: a user their own, an owner those of their console. The value
 * says whether there was anything to end: a session that has ended already is a success. Fails with
 * `resource.not-found`, `auth.forbidden`, or the code of the push when the relay could not be told;
 * then the session may still live.
 */
export async function terminateSession(
  context: ServiceContext,
  caller: ActingUser,
  id: string,
): Promise<Result<"requested" | "ended", Failure>> {
  const row = await findSession(context.database, { id, userId: caller.actorId });
  if (row === null || !isVisible(row, caller)) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  const { ownsConsole } = row;
  if (row.userId !== caller.actorId && !ownsConsole && !may(caller, "sessions.end-all")) {
    return fail({ code: "auth.forbidden", detail: "" });
  }
  if (row.relayId === null || (row.state === "ended" && !(await mayLiveOn(context, id)))) {
    return ok("ended");
  }
  const { unreached } = await endSessions(context, caller, [row], saysWho(caller, ownsConsole));
  const [failed] = unreached;
  return failed === undefined ? ok("requested") : fail({ code: failed.code, detail: "" });
}

/**
 * Ends the living sessions of a console, for its owner and for who may end everybody's; also those
 * that still live of a deleted one. Fails with `resource.not-found` or `console.access-too-low`.
 */
export async function terminateSessionsOfConsole(
  context: ServiceContext,
  caller: ActingUser,
  consoleId: string,
): Promise<Result<Terminations, Failure>> {
  const wanted = { id: consoleId, userId: caller.actorId };
  const findIt = async () => await findConsoleSummary(context.database, wanted);
  const of = { consoleId };
  if (may(caller, "sessions.end-all")) {
    const terminations = await terminateLive(context, caller, { of, asOwner: false });
    return await unlessMissing(terminations, findIt);
  }
  const judged = judgeConsole(caller, await findIt(), "own");
  return judged.ok ? ok(await terminateLive(context, caller, { of, asOwner: true })) : judged;
}

/**
 * Ends the living sessions of a user, who may also be the caller. Fails with `auth.forbidden` or
 * `resource.not-found`.
 */
export async function terminateSessionsOfUser(
  context: ServiceContext,
  caller: ActingUser,
  userId: string,
): Promise<Result<Terminations, Failure>> {
  if (userId !== caller.actorId && !may(caller, "sessions.end-all")) {
    return fail({ code: "auth.forbidden", detail: "" });
  }
  const terminations = await terminateLive(context, caller, { of: { userId }, asOwner: false });
  return await unlessMissing(terminations, async () => await findUser(context.database, userId));
}

/** Whoever mistypes an id must not take it for done. */
async function unlessMissing(
  terminations: Terminations,
  find: () => Promise<object | null>,
): Promise<Result<Terminations, Failure>> {
  const isNone = terminations.ending.length + terminations.unreached.length === 0;
  return isNone && (await find()) === null
    ? fail({ code: "resource.not-found", detail: "" })
    : ok(terminations);
}

async function terminateLive(
  context: ServiceContext,
  caller: ActingUser,
  order: {
    readonly of: { readonly consoleId: string } | { readonly userId: string };
    /** Whether by right of owning the console. */
    readonly asOwner: boolean;
  },
): Promise<Terminations> {
  const { of, asOwner } = order;
  const live = await listEndable(context, of, TERMINATIONS_AT_ONCE_MAX + 1);
  const now = live.slice(0, TERMINATIONS_AT_ONCE_MAX);
  const ended = await endSessions(context, caller, now, saysWho(caller, asOwner));
  return { ...ended, more: live.length > now.length };
}

/** What a relay is told of whose wish a session's end is. */
function saysWho(caller: ActingUser, isOwner: boolean): (session: LiveSession) => string {
  const others = isOwner ? "ended by the console's owner" : "ended by an administrator";
  return ({ userId }) => (userId === caller.actorId ? "ended by its user" : others);
}

/** Each is a push that is waited for; more would keep the caller waiting too long. */
const TERMINATIONS_AT_ONCE_MAX = 100;
