/**
 * Sessions that are only presumed to have ended, because their relay said nothing. As long as it is
 * away it may carry them on, and shows them alive when it is back.
 */
import { and, desc, eq, gt, isNull, lt, or, type SQL, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { relays } from "./schema/relays.ts";
import { sessions } from "./schema/sessions.ts";
import { endIsPresumed, PRESUMED_REASONS } from "./session-lifecycle.ts";
import type { LiveSession } from "./sessions.ts";

/** Which sessions: one, or all of a console, of a user or of a link. */
export type SessionsOf =
  | { readonly sessionId: string }
  | { readonly consoleId: string }
  | { readonly userId: string }
  | { readonly shareId: string };

export interface Presumption {
  /** What ended then or before is taken for gone. */
  readonly endedAfterMs: number;
  /** A relay that came back then or before has said by now what lives there. */
  readonly backAfterMs: number;
}

/** Those that may live all the same, the newest first; so many at most. */
export async function listPresumedSessions(
  database: Database,
  of: SessionsOf,
  presumption: Presumption & { readonly limit: number },
): Promise<LiveSession[]> {
  const { endedAfterMs, backAfterMs, limit } = presumption;
  return await database
    .select({
      id: sessions.id,
      consoleId: sessions.consoleId,
      userId: sessions.userId,
      relayId: sessions.relayId,
    })
    .from(sessions)
    .innerJoin(relays, eq(relays.id, sessions.relayId))
    .where(
      and(
        ofSubject(of),
        mayHaveLivedOn(),
        gt(sessions.endedAtMs, endedAfterMs),
        isNull(relays.deletedAtMs),
        or(
          and(
            eq(relays.state, "online"),
            gt(relays.lastSeenAtMs, backAfterMs),
            // What came later the relay itself has been there to tell of.
            lt(sessions.createdAtMs, relays.lastSeenAtMs),
          ),
          and(eq(relays.state, "offline"), hadTicket()),
        ),
      ),
    )
    .orderBy(desc(sessions.createdAtMs), desc(sessions.id))
    .limit(limit);
}

/** Whether the session may have lived on although it is shown ended. */
export function mayHaveLivedOn(): SQL | undefined {
  return endIsPresumed(UNSURE_REASONS);
}

/**
 * A session that was open, or one whose ticket was good when its relay was lost: of an older one the
 * relay would have told that it opened.
 */
function hadTicket(): SQL | undefined {
  return or(
    eq(sessions.endReason, "relay-lost"),
    gt(sessions.createdAtMs, sql`${relays.lastSeenAtMs} - ${TICKET_LIFE_MS}`),
  );
}

function ofSubject(of: SessionsOf): SQL | undefined {
  if ("sessionId" in of) {
    return eq(sessions.id, of.sessionId);
  }
  // Of many, those whose end was ordered: the order waits for their relay.
  const unordered = isNull(sessions.endRequestedAtMs);
  if ("consoleId" in of) {
    return and(eq(sessions.consoleId, of.consoleId), unordered);
  }
  const { subject, id } =
    "userId" in of
      ? { subject: sessions.userId, id: of.userId }
      : { subject: sessions.shareId, id: of.shareId };
  return and(eq(subject, id), unordered);
}

/** A relay that was restarted has lost its sessions for good. */
const UNSURE_REASONS = PRESUMED_REASONS.filter((reason) => reason !== "relay-restarted");
/** Longer than any ticket is good. */
const TICKET_LIFE_MS = 5 * 60_000;
