/** Join tokens, found by their hashes. They are used up where relays are stored (relays.ts). */
import { and, eq, gt, isNull } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import type { Database } from "./database.ts";
import { joinTokens } from "./schema/relays.ts";
import { storeWithAudit } from "./store-with-audit.ts";

export async function storeJoinToken(
  database: Database,
  token: typeof joinTokens.$inferInsert,
  audit: AuditRecord,
): Promise<void> {
  await storeWithAudit(database, [audit], () => [database.insert(joinTokens).values(token)]);
}

/** Whether a relay could enrol with the token now. Using it up decides anew. */
export async function isJoinTokenUsable(
  database: Database,
  tokenHash: string,
  nowMs: number,
): Promise<boolean> {
  const rows = await database
    .select({ id: joinTokens.id })
    .from(joinTokens)
    .where(
      and(
        eq(joinTokens.tokenHash, tokenHash),
        isNull(joinTokens.usedAtMs),
        gt(joinTokens.expiresAtMs, nowMs),
      ),
    )
    .limit(1);
  return rows.length > 0;
}
