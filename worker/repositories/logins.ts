/** The logins' table: one row for each token that a login gave, found by the token's hash. */
import { and, eq, gt, lte } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import type { Role } from "../identity/permissions.ts";
import type { Database } from "./database.ts";
import { logins, users } from "./schema/people.ts";
import { storeWithAudit } from "./store-with-audit.ts";

export interface LoginOwner {
  readonly loginId: string;
  readonly userId: string;
  readonly role: Role;
}

/** Stores the login, and removes the user's expired ones, which nothing else would. */
export async function storeLogin(
  database: Database,
  login: typeof logins.$inferInsert,
  audit: AuditRecord,
): Promise<void> {
  await storeWithAudit(database, [audit], () => [
    database
      .delete(logins)
      .where(and(eq(logins.userId, login.userId), lte(logins.expiresAtMs, login.createdAtMs))),
    database.insert(logins).values(login),
  ]);
}

/** The living login with that token's hash. */
export async function findLogin(
  database: Database,
  tokenHash: string,
  nowMs: number,
): Promise<LoginOwner | null> {
  const [row] = await database
    .select({ loginId: logins.id, userId: users.id, role: users.role })
    .from(logins)
    .innerJoin(users, eq(users.id, logins.userId))
    .where(and(eq(logins.tokenHash, tokenHash), gt(logins.expiresAtMs, nowMs)))
    .limit(1);
  return row ?? null;
}

export async function deleteLogin(
  database: Database,
  loginId: string,
  audit: AuditRecord,
): Promise<void> {
  await storeWithAudit(database, [audit], () => [
    database.delete(logins).where(eq(logins.id, loginId)),
  ]);
}
