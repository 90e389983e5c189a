/** The logins' table: one row for each token that a login gave, found by the token's hash. */
import { and, desc, eq, gt, inArray, isNull, lte, sql } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import type { Role } from "../identity/permissions.ts";
import { deleteLoginsOfUser } from "./credentials.ts";
import type { Database } from "./database.ts";
import { logins, users } from "./schema/people.ts";
import { insertAuditRecords, storeWithAudit } from "./store-with-audit.ts";
import { demandEnabledUser } from "./users.ts";

export interface LoginOwner {
  readonly loginId: string;
  readonly userId: string;
  readonly role: Role;
  readonly lastUsedAtMs: number | null;
}

export interface LoginSummary {
  readonly id: string;
  readonly method: string;
  readonly address: string | null;
  readonly userAgent: string | null;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly lastUsedAtMs: number | null;
}

/** Position in the list, newest first. */
export interface LoginCursor {
  readonly createdAtMs: number;
  readonly id: string;
}

/**
 * Stores the login, and removes the user's expired ones and the oldest of too many.
 * @param passwordHash of the password that the login was opened by, if it was by one
 *
 * @throws {Error} a check violation when the user was disabled or deleted, or got another password
 * (see database-errors.ts): the logins that ended with that are never joined by one that was late.
 */
export async function storeLogin(
  database: Database,
  login: typeof logins.$inferInsert,
  audit: AuditRecord,
  passwordHash?: string | null,
): Promise<void> {
  const { userId, createdAtMs } = login;
  await storeWithAudit(database, [audit], () => [
    demandEnabledUser(database, userId, passwordHash),
    database
      .delete(logins)
      .where(and(eq(logins.userId, userId), lte(logins.expiresAtMs, createdAtMs))),
    database.delete(logins).where(
      inArray(
        logins.id,
        database
          .select({ id: logins.id })
          .from(logins)
          .where(eq(logins.userId, userId))
          .orderBy(desc(logins.createdAtMs), desc(logins.id))
          .limit(TOO_MANY)
          .offset(LOGINS_OF_USER_MAX - 1),
      ),
    ),
    database.insert(logins).values(login),
    database.update(users).set({ lastLoginAtMs: createdAtMs }).where(eq(users.id, userId)),
  ]);
}

/** The living login with that token's hash, of a user who is neither disabled nor deleted. */
export async function findLogin(
  database: Database,
  tokenHash: string,
  nowMs: number,
): Promise<LoginOwner | null> {
  const [row] = await database
    .select({
      loginId: logins.id,
      userId: users.id,
      role: users.role,
      lastUsedAtMs: logins.lastUsedAtMs,
    })
    .from(logins)
    .innerJoin(users, eq(users.id, logins.userId))
    .where(
      and(
        eq(logins.tokenHash, tokenHash),
        gt(logins.expiresAtMs, nowMs),
        isNull(users.disabledAtMs),
        isNull(users.deletedAtMs),
      ),
    )
    .limit(1);
  return row ?? null;
}

/** Notes that the login was used; that is no change which the audit trail tells of. */
export async function noteLoginUse(
  database: Database,
  use: { readonly loginId: string; readonly atMs: number },
): Promise<void> {
  await database.update(logins).set({ lastUsedAtMs: use.atMs }).where(eq(logins.id, use.loginId));
}

/** A page of a user's living logins, newest first. */
export async function listLogins(
  database: Database,
  page: {
    readonly userId: string;
    readonly nowMs: number;
    readonly after: LoginCursor | null;
    readonly limit: number;
  },
): Promise<LoginSummary[]> {
  const { userId, nowMs, after } = page;
  return await database
    .select({
      id: logins.id,
      method: logins.method,
      address: logins.address,
      userAgent: logins.userAgent,
      createdAtMs: logins.createdAtMs,
      expiresAtMs: logins.expiresAtMs,
      lastUsedAtMs: logins.lastUsedAtMs,
    })
    .from(logins)
    .where(
      and(
        eq(logins.userId, userId),
        gt(logins.expiresAtMs, nowMs),
        after === null
          ? undefined
          : sql`(${logins.createdAtMs}, ${logins.id}) < (${after.createdAtMs}, ${after.id})`,
      ),
    )
    .orderBy(desc(logins.createdAtMs), desc(logins.id))
    .limit(page.limit);
}

/** Ends the login of that user. Gives whether there was one. */
export async function deleteLogin(
  database: Database,
  login: { readonly id: string; readonly userId: string },
  audit: AuditRecord,
): Promise<boolean> {
  return await database.transaction(async (transaction) => {
    const ended = await transaction
      .delete(logins)
      .where(and(eq(logins.id, login.id), eq(logins.userId, login.userId)))
      .returning({ id: logins.id });
    if (ended.length === 0) {
      return false;
    }
    await insertAuditRecords(transaction, [audit]);
    return true;
  });
}

/** Ends a user's logins, except one. Gives how many; without any the trail hears nothing. */
export async function deleteLogins(
  database: Database,
  ending: { readonly userId: string; readonly exceptLoginId: string | null },
  auditOf: (count: number) => AuditRecord,
): Promise<number> {
  return await database.transaction(async (transaction) => {
    const count = await deleteLoginsOfUser(transaction, ending);
    if (count > 0) {
      await insertAuditRecords(transaction, [auditOf(count)]);
    }
    return count;
  });
}

/** More devices than one person has; a script that logs in each time ends its own oldest logins. */
const LOGINS_OF_USER_MAX = 100;
/** There is at most one too many, except after the bound was lowered. */
const TOO_MANY = 1_000;
