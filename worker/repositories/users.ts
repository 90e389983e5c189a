/**
 * The users' table. User names are compared without regard to case (the column's collation). A
 * deleted user's row stays for what points to it, without the person, and nothing here finds it.
 */
import { and, asc, eq, gt, gte, isNotNull, isNull, lt, ne, or, sql } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import type { Role } from "../identity/permissions.ts";
import { deleteLoginsOfUser, revokeTokensOfUser } from "./credentials.ts";
import type { Database, Transaction } from "./database.ts";
import { type NewDenial, storeDenial } from "./denials.ts";
import { groupMembers, users } from "./schema/people.ts";
import { insertAuditRecords, storeWithAudit } from "./store-with-audit.ts";

export interface UserCredentials {
  readonly id: string;
  readonly username: string;
  readonly passwordHash: string | null;
  readonly role: Role;
  readonly origin: string;
  readonly disabledAtMs: number | null;
}

export interface UserSummary {
  readonly id: string;
  readonly username: string;
  readonly displayName: string | null;
  readonly email: string | null;
  readonly role: Role;
  readonly origin: string;
  readonly hasPassword: boolean;
  readonly createdAtMs: number;
  readonly disabledAtMs: number | null;
  readonly lastLoginAtMs: number | null;
}

/** What may be changed of a user. An absent field stays as it is. */
export interface UserPatch {
  readonly role?: Role;
  readonly displayName?: string | null;
  readonly email?: string | null;
  readonly disabledAtMs?: number | null;
}

/** Credentials that ended with a change. */
export interface EndedCredentials {
  readonly logins: number;
  readonly tokens: number;
}

/** @throws {Error} a unique violation when the name is taken (see database-errors.ts). */
export async function insertUser(
  database: Database,
  user: typeof users.$inferInsert,
  audit: AuditRecord,
): Promise<void> {
  await storeWithAudit(database, [audit], () => [database.insert(users).values(user)]);
}

export async function findCredentials(
  database: Database,
  username: string,
): Promise<UserCredentials | null> {
  return await selectCredentials(database, eq(users.username, username));
}

export async function findCredentialsById(
  database: Database,
  id: string,
): Promise<UserCredentials | null> {
  return await selectCredentials(database, eq(users.id, id));
}

export async function findUser(
  database: Database | Transaction,
  id: string,
): Promise<UserSummary | null> {
  const [row] = await database
    .select(SUMMARY)
    .from(users)
    .where(and(eq(users.id, id), isNull(users.deletedAtMs)))
    .limit(1);
  return row ?? null;
}

/** A page of users by name. */
export async function listUsers(
  database: Database,
  page: {
    /** How their names begin; null: any. */
    readonly prefix: string | null;
    readonly role: Role | null;
    readonly after: string | null;
    readonly limit: number;
  },
): Promise<UserSummary[]> {
  const { prefix, role, after } = page;
  return await database
    .select(SUMMARY)
    .from(users)
    .where(
      and(
        isNull(users.deletedAtMs),
        role === null ? undefined : eq(users.role, role),
        // As a range, which SQLite looks up in the index; LIKE with a bound pattern it may not.
        prefix === null ? undefined : gte(users.username, prefix),
        prefix === null ? undefined : lt(users.username, `${prefix}${LAST_CHARACTER}`),
        after === null ? undefined : gt(users.username, after),
      ),
    )
    .orderBy(asc(users.username))
    .limit(page.limit);
}

/** What is to be changed of a user, and what goes with it. */
export interface UserChange {
  readonly patch: UserPatch;
  /** What makes their sessions void; null: those go on. */
  readonly denial: NewDenial | null;
  readonly audit: (ended: EndedCredentials) => AuditRecord;
}

/**
 * Changes a user, judged by what they are at that moment: `judge` answers the change, or null when
 * there is nothing to change. Disabling ends their credentials. Nothing is changed when it would
 * leave nobody who is an admin and enabled.
 */
export async function changeUser(
  database: Database,
  id: string,
  judge: (before: UserSummary) => UserChange | null,
): Promise<UserSummary | "not-found" | "last-admin"> {
  return await database.transaction(async (transaction) => {
    const before = await findUser(transaction, id);
    const change = before === null ? null : judge(before);
    if (before === null || change === null) {
      return before ?? "not-found";
    }
    const after = { ...before, ...change.patch };
    if (isEnabledAdmin(before) && !isEnabledAdmin(after) && (await isLastAdmin(transaction, id))) {
      return "last-admin";
    }
    await transaction.update(users).set(change.patch).where(eq(users.id, id));
    const isDisabledNow = before.disabledAtMs === null && after.disabledAtMs !== null;
    const ended = isDisabledNow
      ? await endCredentials(transaction, id, after.disabledAtMs ?? 0)
      : NOTHING_ENDED;
    const { denial } = change;
    if (denial !== null) {
      await storeDenial(transaction, denial);
    }
    const audits = [change.audit(ended), ...(denial === null ? [] : [denial.audit])];
    await insertAuditRecords(transaction, audits);
    return after;
  });
}

/**
 * Takes the person away and leaves a row for what points to it. Their name is free again, their
 * credentials and memberships are gone, their sessions void. Nothing is changed when they are the
 * last enabled admin.
 */
export async function deleteUser(
  database: Database,
  deletion: { readonly id: string; readonly atMs: number; readonly denial: NewDenial },
  auditOf: (user: UserSummary, ended: EndedCredentials) => AuditRecord,
): Promise<"deleted" | "not-found" | "last-admin"> {
  const { id, atMs, denial } = deletion;
  return await database.transaction(async (transaction) => {
    const user = await findUser(transaction, id);
    if (user === null) {
      return "not-found";
    }
    if (isEnabledAdmin(user) && (await isLastAdmin(transaction, id))) {
      return "last-admin";
    }
    const ended = await endCredentials(transaction, id, atMs);
    await transaction.delete(groupMembers).where(eq(groupMembers.userId, id));
    await transaction
      .update(users)
      .set({
        // No user name has a colon, so nobody can be called so.
        username: `deleted:${id}`,
        passwordHash: null,
        displayName: null,
        email: null,
        role: "user",
        lastLoginAtMs: null,
        disabledAtMs: user.disabledAtMs ?? atMs,
        deletedAtMs: atMs,
      })
      .where(eq(users.id, id));
    await storeDenial(transaction, denial);
    await insertAuditRecords(transaction, [auditOf(user, ended), denial.audit]);
    return "deleted";
  });
}

/**
 * The statement that breaks its batch when the user was disabled or deleted, or has another password
 * than the one with that hash, where one is given: the role that it gives to such a one is none that
 * the table's check permits.
 */
export function demandEnabledUser(
  database: Database | Transaction,
  id: string,
  passwordHash?: string | null,
) {
  const isGone = or(
    isNotNull(users.disabledAtMs),
    isNotNull(users.deletedAtMs),
    passwordHash === undefined ? undefined : sql`${users.passwordHash} IS NOT ${passwordHash}`,
  );
  return database
    .update(users)
    .set({ role: sql`'disabled'` })
    .where(and(eq(users.id, id), isGone));
}

/**
 * Gives a user another password and ends their logins, except one. `not-found` also when the
 * password is not any more the one of `before`, where that is given.
 */
export async function setPasswordHash(
  database: Database,
  change: {
    readonly id: string;
    readonly passwordHash: string;
    /** The hash of the password that was proved, by whom may do this for that alone. */
    readonly before?: string | null;
    /** The login that goes on; null: none does. */
    readonly exceptLoginId: string | null;
  },
  auditOf: (user: { readonly username: string; readonly loginsEnded: number }) => AuditRecord,
): Promise<"set" | "not-found"> {
  const { id, passwordHash, before, exceptLoginId } = change;
  const isBefore = before === undefined ? undefined : sql`${users.passwordHash} IS ${before}`;
  return await database.transaction(async (transaction) => {
    const [user] = await transaction
      .update(users)
      .set({ passwordHash })
      .where(and(eq(users.id, id), isNull(users.deletedAtMs), isBefore))
      .returning({ username: users.username });
    if (user === undefined) {
      return "not-found";
    }
    const loginsEnded = await deleteLoginsOfUser(transaction, { userId: id, exceptLoginId });
    await insertAuditRecords(transaction, [auditOf({ ...user, loginsEnded })]);
    return "set";
  });
}

async function selectCredentials(
  database: Database,
  condition: ReturnType<typeof eq>,
): Promise<UserCredentials | null> {
  const [row] = await database
    .select({
      id: users.id,
      username: users.username,
      passwordHash: users.passwordHash,
      role: users.role,
      origin: users.origin,
      disabledAtMs: users.disabledAtMs,
    })
    .from(users)
    .where(and(condition, isNull(users.deletedAtMs)))
    .limit(1);
  return row ?? null;
}

async function endCredentials(
  transaction: Transaction,
  userId: string,
  atMs: number,
): Promise<EndedCredentials> {
  return {
    logins: await deleteLoginsOfUser(transaction, { userId, exceptLoginId: null }),
    tokens: await revokeTokensOfUser(transaction, userId, atMs),
  };
}

function isEnabledAdmin(user: {
  readonly role: Role;
  readonly disabledAtMs: number | null;
}): boolean {
  return user.role === "admin" && user.disabledAtMs === null;
}

async function isLastAdmin(transaction: Transaction, id: string): Promise<boolean> {
  const others = await transaction
    .select({ id: users.id })
    .from(users)
    .where(
      and(
        isNull(users.deletedAtMs),
        eq(users.role, "admin"),
        isNull(users.disabledAtMs),
        ne(users.id, id),
      ),
    )
    .limit(1);
  return others.length === 0;
}

const SUMMARY = {
  id: users.id,
  username: users.username,
  displayName: users.displayName,
  email: users.email,
  role: users.role,
  origin: users.origin,
  hasPassword: sql<boolean>`${users.passwordHash} IS NOT NULL`.mapWith(Boolean),
  createdAtMs: users.createdAtMs,
  disabledAtMs: users.disabledAtMs,
  lastLoginAtMs: users.lastLoginAtMs,
};

const NOTHING_ENDED: EndedCredentials = { logins: 0, tokens: 0 };
/** Sorts behind every text that a name can go on with. */
const LAST_CHARACTER = "\u{10FFFF}";
