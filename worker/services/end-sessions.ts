/** Ending all sessions of somebody who may have none any more. */
import { logNotice } from "../log.ts";
import { listLivingSessionsOfUser } from "../repositories/sessions.ts";
import type { Caller, ServiceContext } from "./context.ts";
import { tellToEnd } from "./sessions.ts";

/**
 * Tells the relays to end the user's sessions, and withdraws tickets that open none yet. A relay
 * that is away is told when it is back, so nothing fails here except by the database.
 */
export async function endSessionsOfUser(
  context: ServiceContext,
  caller: Caller,
  userId: string,
): Promise<void> {
  const living = await listLivingSessionsOfUser(context.database, { userId, limit: SESSIONS_MAX });
  for (let start = 0; start < living.length; start += AT_ONCE) {
    await Promise.all(
      living.slice(start, start + AT_ONCE).map(async (session) => {
        const told = await tellToEnd(context, caller, session, "its user may have none any more");
        if (!told.ok) {
          logNotice("session.end-waits", { sessionId: session.id, code: told.error.code });
        }
      }),
    );
  }
}

/** More than one user has at once by far. */
const SESSIONS_MAX = 1_000;
/** Each waits for its relay's word, at most a few seconds; the platform bounds open connections. */
const AT_ONCE = 6;
