/** Sessions as their users see them, and as those do who may read everybody's. */
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { may } from "../identity/permissions.ts";
import { listSessionChannels, type SessionChannel } from "../repositories/session-channels.ts";
import {
  findSession,
  listSessions,
  type SessionCursor,
  type SessionFilter,
  type SessionSummary,
  type SessionViewer,
} from "../repositories/sessions.ts";
import type { ServiceContext } from "./context.ts";
import type { TicketCaller } from "./tickets.ts";

export interface SessionDetail {
  readonly session: SessionSummary;
  readonly channels: readonly SessionChannel[];
}

/** A page of the sessions that the caller may see, newest first. */
export async function pageSessions(
  context: ServiceContext,
  caller: TicketCaller,
  page: {
    readonly filter?: SessionFilter;
    readonly after: SessionCursor | null;
    readonly limit: number;
  },
): Promise<{ readonly items: SessionSummary[]; readonly next: SessionCursor | null }> {
  const rows = await listSessions(context.database, {
    viewer: viewerOf(caller),
    filter: page.filter ?? {},
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

/** Fails with `resource.not-found`, also for a session that the caller may not see. */
export async function readSession(
  context: ServiceContext,
  caller: TicketCaller,
  id: string,
): Promise<Result<SessionDetail, Failure>> {
  const [row, told] = await Promise.all([
    findSession(context.database, { id, viewer: viewerOf(caller) }),
    listSessionChannels(context.database, id),
  ]);
  if (row === null) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  // A relay that vanished closed its channels without a word.
  const channels = told.map((channel) => ({
    ...channel,
    closedAtMs: channel.closedAtMs ?? row.endedAtMs,
  }));
  return ok({ session: viewSession(row, caller), channels });
}

/** Whose sessions the caller sees: one answer for lists, single sessions and the feed. */
export function viewerOf(caller: TicketCaller): SessionViewer {
  return may(caller, "sessions.read-all")
    ? { kind: "everybody" }
    : { kind: "own", userId: caller.actorId };
}

/** The exact reason of an end may name the hypervisor's address, which is for who runs things. */
export function viewSession(row: SessionSummary, caller: TicketCaller): SessionSummary {
  return may(caller, "sessions.read-all") ? row : { ...row, endDetail: null };
}
