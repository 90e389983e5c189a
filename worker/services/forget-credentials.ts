/** Forgets credentials that are good for nothing any more, with the addresses that they hold. */
import { deleteExpiredTokens } from "../repositories/api-tokens.ts";
import { deleteExpiredLogins } from "../repositories/logins.ts";
import { deletePastTickets } from "../repositories/tickets.ts";
import type { ServiceContext } from "./context.ts";

export async function forgetExpiredCredentials(context: ServiceContext): Promise<void> {
  const { database, nowMs } = context;
  await deleteExpiredLogins(database, { beforeMs: nowMs(), limit: FORGOTTEN_AT_ONCE_MAX });
  await deleteExpiredTokens(database, {
    beforeMs: nowMs() - EXPIRED_TOKENS_SHOWN_MS,
    limit: FORGOTTEN_AT_ONCE_MAX,
  });
}

/** Forgets tickets of sessions that have ended, with the sealed passwords in their grants. */
export async function forgetPastTickets({ database, nowMs }: ServiceContext): Promise<void> {
  await deletePastTickets(database, {
    expiredAtMs: nowMs() - PAST_TICKETS_KEPT_MS,
    limit: FORGOTTEN_AT_ONCE_MAX,
  });
}

/** The rest waits for the next run. */
const FORGOTTEN_AT_ONCE_MAX = 1_000;
/** So that whoever wonders why a program stopped still finds its token. */
const EXPIRED_TOKENS_SHOWN_MS = 30 * 24 * 60 * 60 * 1000;
/** So that a client's late try is still recorded as what it is, an expired or a used ticket. */
const PAST_TICKETS_KEPT_MS = 24 * 60 * 60 * 1000;
