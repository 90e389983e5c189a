/** Join tokens, found by their hashes. They are used up where relays are stored (relays.ts). */
import { and, desc, eq, gt, isNull, sql } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import type { Database } from "./database.ts";
import { users } from "./schema/people.ts";
import { joinTokens } from "./schema/relays.ts";
import { sites } from "./schema/sites.ts";
import { insertAuditRecords, storeWithAudit } from "./store-with-audit.ts";

/** A token with which a relay can still enrol; the token itself is not kept. */
export interface PendingJoinToken {
  readonly id: string;
  readonly name: string | null;
  readonly siteId: string | null;
  readonly siteName: string | null;
  readonly createdBy: string;
  readonly createdByName: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

/** Position in the list, newest first. */
export interface JoinTokenCursor {
  readonly createdAtMs: number;
  readonly id: string;
}

export async function storeJoinToken(
  database: Database,
  token: typeof joinTokens.$inferInsert,
  audit: AuditRecord,
): Promise<void> {
  await storeWithAudit(database, [audit], () => [database.insert(joinTokens).values(token)]);
}

/** What a token binds the relay to that could enrol with it now; null: none could. */
export async function findUsableJoinToken(
  database: Database,
  tokenHash: string,
  nowMs: number,
): Promise<{ readonly name: string | null; readonly siteId: string | null } | null> {
  const [row] = await database
    .select({ name: joinTokens.name, siteId: joinTokens.siteId })
    .from(joinTokens)
    .where(
      and(
        eq(joinTokens.tokenHash, tokenHash),
        isNull(joinTokens.usedAtMs),
        isNull(joinTokens.revokedAtMs),
        gt(joinTokens.expiresAtMs, nowMs),
      ),
    )
    .limit(1);
  return row ?? null;
}

/** A page of the tokens that can still be used, newest first. */
export async function listPendingJoinTokens(
  database: Database,
  page: {
    readonly nowMs: number;
    readonly after: JoinTokenCursor | null;
    readonly limit: number;
  },
): Promise<PendingJoinToken[]> {
  const { nowMs, after, limit } = page;
  const rows = await database
    .select({
      id: joinTokens.id,
      name: joinTokens.name,
      siteId: joinTokens.siteId,
      siteName: sites.name,
      createdBy: joinTokens.createdBy,
      createdByName: users.username,
      createdAtMs: joinTokens.createdAtMs,
      expiresAtMs: joinTokens.expiresAtMs,
    })
    .from(joinTokens)
    .leftJoin(users, eq(users.id, joinTokens.createdBy))
    .leftJoin(sites, eq(sites.id, joinTokens.siteId))
    .where(
      and(
        isNull(joinTokens.usedAtMs),
        isNull(joinTokens.revokedAtMs),
        gt(joinTokens.expiresAtMs, nowMs),
        // As a row value, which SQLite looks up in an index; a disjunction it would read and sort.
        after === null
          ? undefined
          : sql`(${joinTokens.createdAtMs}, ${joinTokens.id}) < (${after.createdAtMs}, ${after.id})`,
      ),
    )
    .orderBy(desc(joinTokens.createdAtMs), desc(joinTokens.id))
    .limit(limit);
  return rows.map((row) => ({ ...row, createdByName: row.createdByName ?? "" }));
}

/** Revokes a token that could still be used; false when there is none, and nothing is recorded. */
export async function markJoinTokenRevoked(
  database: Database,
  revocation: { readonly id: string; readonly atMs: number },
  audit: AuditRecord,
): Promise<boolean> {
  const { id, atMs } = revocation;
  return await database.transaction(async (transaction) => {
    const revoked = await transaction
      .update(joinTokens)
      .set({ revokedAtMs: atMs })
      .where(
        and(
          eq(joinTokens.id, id),
          isNull(joinTokens.usedAtMs),
          isNull(joinTokens.revokedAtMs),
          gt(joinTokens.expiresAtMs, atMs),
        ),
      )
      .returning({ id: joinTokens.id });
    if (revoked.length === 0) {
      return false;
    }
    await insertAuditRecords(transaction, [audit]);
    return true;
  });
}
