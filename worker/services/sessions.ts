/** Sessions as their users see them, as the owners of consoles do, and as those who run things. */
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { may } from "../identity/permissions.ts";
import { listSessionChannels, type SessionChannel } from "../repositories/session-channels.ts";
import {
  listSessions,
  type SessionCursor,
  type SessionFilter,
} from "../repositories/session-list.ts";
import { findSession, type FoundSession, type SessionSummary } from "../repositories/sessions.ts";
import type { ActingUser, ServiceContext } from "./context.ts";
import { cutPage, timeCursor, withOneMore } from "./page.ts";

/** What a caller may see of a session. */
export interface SessionView extends Omit<SessionSummary, "userId" | "username"> {
  /** Null where it is not told: somebody else's session of a console that the caller owns. */
  readonly user: { readonly id: string; readonly username: string } | null;
}

export interface SessionDetail {
  readonly session: SessionView;
  readonly channels: readonly ChannelView[];
}

/** The client's address is told where the session's is. */
export type ChannelView = Omit<SessionChannel, "clientAddress"> & {
  readonly clientAddress: string | null;
};

/**
 * A page of sessions, newest first: the caller's own and those of consoles that they own, or
 * everybody's to whoever may read them. A page may have fewer rows than asked for; only `next` says
 * whether there are more.
 */
export async function pageSessions(
  context: ServiceContext,
  caller: ActingUser,
  page: {
    readonly filter?: SessionFilter;
    readonly after: SessionCursor | null;
    readonly limit: number;
  },
): Promise<{ readonly items: SessionView[]; readonly next: SessionCursor | null }> {
  const { filter = {} } = page;
  const viewer = viewerOf(caller);
  if (filter.userId !== undefined && filter.userId !== caller.actorId && !viewer.seesAll) {
    // Whoever is not told whose the sessions of their consoles are must not find out by asking.
    return { items: [], next: null };
  }
  const { rows, resume } = await listSessions(context.database, {
    ...withOneMore(page),
    ...viewer,
    filter,
  });
  const { items, last } = cutPage(rows, page.limit);
  return {
    items: items.map((row) => viewSession(row, caller)),
    next: timeCursor(last) ?? resume,
  };
}

/** Fails with `resource.not-found`, also for a session that is not the caller's to see. */
export async function readSession(
  context: ServiceContext,
  caller: ActingUser,
  id: string,
): Promise<Result<SessionDetail, Failure>> {
  const [row, told] = await Promise.all([
    findSession(context.database, { id, userId: caller.actorId }),
    listSessionChannels(context.database, id),
  ]);
  if (row === null || !isVisible(row, caller)) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  const { ownsConsole: _judged, ...found } = row;
  const session = viewSession(found, caller);
  const channels = told.map((channel) => ({
    ...channel,
    clientAddress: session.user === null ? null : channel.clientAddress,
    // A relay that vanished closed its channels without a word.
    closedAtMs: channel.closedAtMs ?? row.endedAtMs,
  }));
  return ok({ session, channels });
}

/** Whose sessions the caller sees: one answer for lists and for the feed. */
export function viewerOf(caller: ActingUser): { userId: string; seesAll: boolean } {
  return { userId: caller.actorId, seesAll: may(caller, "sessions.read-all") };
}

export function isVisible(row: FoundSession, caller: ActingUser): boolean {
  return may(caller, "sessions.read-all") || row.userId === caller.actorId || row.ownsConsole;
}

/**
 * A session that the caller may see. The exact reason of an end may name the hypervisor's address,
 * which is for those who run things. Who somebody else is, is for them too: a console's owner sees
 * that there is a session.
 */
export function viewSession(row: SessionSummary, caller: ActingUser): SessionView {
  const { userId, username, ...session } = row;
  const user = { id: userId, username };
  if (may(caller, "sessions.read-all")) {
    return { ...session, user };
  }
  return userId === caller.actorId
    ? { ...session, user, endDetail: null }
    : {
        ...session,
        user: null,
        clientAddress: null,
        shareLabel: null,
        endDetail: null,
        endRequestedBy: null,
        endRequesterName: null,
      };
}
