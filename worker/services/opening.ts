/** A console that is being opened for somebody: what the steps from the wish to the ticket share. */
import type { PartialPolicy } from "#shared/policy/policy.ts";
import type { Way } from "#shared/ticket/way.ts";
import type { ConsoleRow } from "../repositories/consoles.ts";
import type { PlacementRow } from "../repositories/placement.ts";
import type { SessionLimit } from "../repositories/tickets.ts";
import type { Caller, ServiceContext } from "./context.ts";
import type { TicketTerms } from "./ticket-terms.ts";

/** Somebody's wish for one console, who may open it. */
export interface OpeningWish {
  readonly caller: Caller;
  /** Whose session it becomes. */
  readonly userId: string;
  readonly console: ConsoleRow;
  /** The relays that reach it. */
  readonly placeable: readonly PlacementRow[];
  readonly way: Way;
  /** The link that the caller comes through; one of its uses is taken with the ticket. */
  readonly share: ShareUse | null;
}

/** What a link adds to an opening. */
export interface ShareUse {
  readonly id: string;
  /** Rules that make the session stricter. */
  readonly policy: PartialPolicy | null;
}

/** A wish that is carried out. */
export interface Opening extends Omit<OpeningWish, "placeable"> {
  readonly terms: TicketTerms;
  /** The hypervisor's own, in clear; lives in memory only. */
  readonly password: string | null;
  readonly sessionId: string;
}

/** The session before it is the relay's. */
export function pendingSession(context: ServiceContext, opening: Opening) {
  return {
    id: opening.sessionId,
    consoleId: opening.console.id,
    userId: opening.userId,
    state: "pending" as const,
    createdAtMs: context.nowMs(),
    secondViewer: opening.terms.policy.secondViewer,
    shareId: opening.share?.id ?? null,
  };
}

/** What audit events about the opening are about. */
export function subjectsOf(opening: Opening, relayId?: string) {
  const { console: row, sessionId } = opening;
  return { consoleId: row.id, sessionId, ...(relayId === undefined ? {} : { relayId }) };
}

export function limitOf({ userId, terms }: Opening): SessionLimit {
  return { userId, sessionsMax: terms.sessionsMax };
}
