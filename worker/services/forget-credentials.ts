/** Forgets credentials that are good for nothing any more, with the addresses that they hold. */
import { deleteExpiredTokens } from "../repositories/api-tokens.ts";
import { deleteExpiredLogins } from "../repositories/logins.ts";
import type { ServiceContext } from "./context.ts";

export async function forgetExpiredCredentials(context: ServiceContext): Promise<void> {
  const { database, nowMs } = context;
  await deleteExpiredLogins(database, { beforeMs: nowMs(), limit: FORGOTTEN_AT_ONCE_MAX });
  await deleteExpiredTokens(database, {
    beforeMs: nowMs() - EXPIRED_TOKENS_SHOWN_MS,
    limit: FORGOTTEN_AT_ONCE_MAX,
  });
}

/** The rest waits for the next run. */
const FORGOTTEN_AT_ONCE_MAX = 1_000;
/** So that whoever wonders why a program stopped still finds its token. */
const EXPIRED_TOKENS_SHOWN_MS = 30 * 24 * 60 * 60 * 1000;
