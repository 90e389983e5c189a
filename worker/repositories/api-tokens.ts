/** The API tokens' table. A revoked token's row stays for a while, so that its owner can see it. */
import { and, count, desc, eq, gt, isNull, sql } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import type { Role } from "../identity/permissions.ts";
import type { Database } from "./database.ts";
import { apiTokens, users } from "./schema/people.ts";
import { insertAuditRecords } from "./store-with-audit.ts";

type TokenRow = typeof apiTokens.$inferSelect;

export type ApiTokenSummary = Omit<TokenRow, "tokenHash" | "recentUses" | "userId">;

/** What a request with the token is judged by. */
export type ApiTokenOwner = Pick<
  TokenRow,
  "id" | "userId" | "scopes" | "lastUsedAtMs" | "lastUsedAddress" | "recentUses"
> & { readonly role: Role };

/** Position in the list, newest first. */
export interface ApiTokenCursor {
  readonly createdAtMs: number;
  readonly id: string;
}

/**
 * Stores the token unless its user has `livingMax` that are good already, or was disabled: whoever
 * did that has revoked the tokens that there were.
 */
export async function storeApiToken(
  database: Database,
  token: typeof apiTokens.$inferInsert,
  livingMax: number,
  audit: AuditRecord,
): Promise<"stored" | "too-many" | "user-gone"> {
  return await database.transaction(async (transaction) => {
    const enabled = await transaction
      .select({ id: users.id })
      .from(users)
      // A deleted user is disabled as well.
      .where(and(eq(users.id, token.userId), isNull(users.disabledAtMs)));
    if (enabled.length === 0) {
      return "user-gone";
    }
    const [living] = await transaction
      .select({ count: count() })
      .from(apiTokens)
      .where(
        and(
          eq(apiTokens.userId, token.userId),
          isNull(apiTokens.revokedAtMs),
          gt(apiTokens.expiresAtMs, token.createdAtMs),
        ),
      );
    if ((living?.count ?? 0) >= livingMax) {
      return "too-many";
    }
    await transaction.insert(apiTokens).values(token);
    await insertAuditRecords(transaction, [audit]);
    return "stored";
  });
}

/** The good token with that hash, of a user who is neither disabled nor deleted. */
export async function findApiToken(
  database: Database,
  tokenHash: string,
  nowMs: number,
): Promise<ApiTokenOwner | null> {
  const [row] = await database
    .select({
      id: apiTokens.id,
      userId: apiTokens.userId,
      scopes: apiTokens.scopes,
      lastUsedAtMs: apiTokens.lastUsedAtMs,
      lastUsedAddress: apiTokens.lastUsedAddress,
      recentUses: apiTokens.recentUses,
      role: users.role,
    })
    .from(apiTokens)
    .innerJoin(users, eq(users.id, apiTokens.userId))
    .where(
      and(
        eq(apiTokens.tokenHash, tokenHash),
        gt(apiTokens.expiresAtMs, nowMs),
        isNull(apiTokens.revokedAtMs),
        isNull(users.disabledAtMs),
        isNull(users.deletedAtMs),
      ),
    )
    .limit(1);
  return row ?? null;
}

/**
 * Notes a use, with what the trail says of it, unless another request noted one in the meantime:
 * of requests at the same moment one is told.
 */
export async function noteTokenUse(
  database: Database,
  use: {
    readonly id: string;
    readonly before: Pick<ApiTokenOwner, "recentUses">;
    readonly patch: Partial<Pick<TokenRow, "lastUsedAtMs" | "lastUsedAddress" | "recentUses">>;
  },
  audit: AuditRecord | null,
): Promise<void> {
  const { id, before, patch } = use;
  await database.transaction(async (transaction) => {
    const noted = await transaction
      .update(apiTokens)
      .set(patch)
      .where(and(eq(apiTokens.id, id), eq(apiTokens.recentUses, before.recentUses)))
      .returning({ id: apiTokens.id });
    if (noted.length > 0 && audit !== null) {
      await insertAuditRecords(transaction, [audit]);
    }
  });
}

/** A page of a user's tokens, newest first, also those that are good no more. */
export async function listApiTokens(
  database: Database,
  page: {
    readonly userId: string;
    readonly after: ApiTokenCursor | null;
    readonly limit: number;
  },
): Promise<ApiTokenSummary[]> {
  const { userId, after } = page;
  return await database
    .select({
      id: apiTokens.id,
      name: apiTokens.name,
      scopes: apiTokens.scopes,
      createdAtMs: apiTokens.createdAtMs,
      expiresAtMs: apiTokens.expiresAtMs,
      lastUsedAtMs: apiTokens.lastUsedAtMs,
      lastUsedAddress: apiTokens.lastUsedAddress,
      revokedAtMs: apiTokens.revokedAtMs,
    })
    .from(apiTokens)
    .where(
      and(
        eq(apiTokens.userId, userId),
        after === null
          ? undefined
          : sql`(${apiTokens.createdAtMs}, ${apiTokens.id}) < (${after.createdAtMs}, ${after.id})`,
      ),
    )
    .orderBy(desc(apiTokens.createdAtMs), desc(apiTokens.id))
    .limit(page.limit);
}

/** Revokes the token of that user; again is the same as once. Gives whether there is one. */
export async function revokeApiToken(
  database: Database,
  revocation: { readonly id: string; readonly userId: string; readonly atMs: number },
  auditOf: (token: { readonly name: string }) => AuditRecord,
): Promise<boolean> {
  const { id, userId, atMs } = revocation;
  const isIt = and(eq(apiTokens.id, id), eq(apiTokens.userId, userId));
  return await database.transaction(async (transaction) => {
    const [revoked] = await transaction
      .update(apiTokens)
      .set({ revokedAtMs: atMs })
      .where(and(isIt, isNull(apiTokens.revokedAtMs)))
      .returning({ name: apiTokens.name });
    if (revoked !== undefined) {
      await insertAuditRecords(transaction, [auditOf(revoked)]);
      return true;
    }
    const known = await transaction.select({ id: apiTokens.id }).from(apiTokens).where(isIt);
    return known.length > 0;
  });
}
