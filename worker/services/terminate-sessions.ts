/**
 * Ending sessions by command: one, all of a console, all of a user. What shall end is stored first,
 * so that no ticket of it opens anything more; then its relay is told. A relay that is away is told
 * when it comes back.
 */
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { may } from "../identity/permissions.ts";
import {
  findSession,
  listLiveSessions,
  type LiveSession,
  recordTerminations,
} from "../repositories/sessions.ts";
import { auditRecord } from "./audit-record.ts";
import type { ServiceContext } from "./context.ts";
import { viewerOf } from "./sessions.ts";
import type { TicketCaller } from "./tickets.ts";

/** What became of an order to end many. */
export interface Terminations {
  /** Their relays end them now. */
  readonly ending: readonly string[];
  /** Their relays could not be told now, and why; they are told when they come back. */
  readonly unreached: readonly { readonly sessionId: string; readonly code: Failure["code"] }[];
  /** There may be more than one call ends: ask again. */
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
  if (!mayEnd(caller, row)) {
    return fail({ code: "auth.forbidden", detail: "" });
  }
  if (row.state === "ended" || row.relayId === null) {
    return ok("ended");
  }
  const { unreached } = await endSessions(context, caller, [row]);
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
  const outcome = await endSessions(context, caller, now);
  return { ...outcome, more: live.length > now.length };
}

async function endSessions(
  context: ServiceContext,
  caller: TicketCaller,
  live: readonly LiveSession[],
): Promise<Omit<Terminations, "more">> {
  if (live.length === 0) {
    return { ending: [], unreached: [] };
  }
  const ids = live.map(({ id }) => id);
  const termination = { ids, by: caller.actorId, atMs: context.nowMs() };
  const event = { type: "session.terminate-requested", data: {} } as const;
  const audits = live.map(({ id, consoleId, relayId }) =>
    auditRecord(context, caller, event, {
      consoleId,
      sessionId: id,
      ...(relayId === null ? {} : { relayId }),
    }),
  );
  await recordTerminations(context.database, termination, audits);
  const told = await Promise.all(live.map(async (row) => await tellRelay(context, caller, row)));
  return {
    ending: ids.filter((_id, index) => told[index] === null),
    unreached: ids.flatMap((sessionId, index) => {
      const code = told[index] ?? null;
      return code === null ? [] : [{ sessionId, code }];
    }),
  };
}

/** Why the relay could not be told; null when it was. */
async function tellRelay(
  context: ServiceContext,
  caller: TicketCaller,
  row: LiveSession,
): Promise<Failure["code"] | null> {
  if (row.relayId === null) {
    return null;
  }
  const reason = row.userId === caller.actorId ? "ended by its user" : "ended by an admin";
  const command = {
    kind: "terminate",
    sessionId: row.id,
    reason,
    cause: "terminated",
  } as const;
  const pushed = await context.hubs.push(row.relayId, command);
  return pushed.ok ? null : pushed.error.code;
}

function mayEnd(caller: TicketCaller, row: { readonly userId: string }): boolean {
  return row.userId === caller.actorId || may(caller, "sessions.end-all");
}

/** Each is a push to a hub, and all are waited for together; a platform bounds those of a call. */
const TERMINATIONS_AT_ONCE_MAX = 100;
