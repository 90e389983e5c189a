/**
 * Groups and who is in them. A membership has an origin: `local` where an admin put somebody in,
 * else the provider that says so at each login. Names are compared without regard to case.
 */
import { and, asc, count, eq, gt, gte, isNull, lt, ne, sql } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import { LOCAL_ORIGIN } from "../identity/local-login.ts";
import type { Database, Transaction } from "./database.ts";
import { groupMembers, groups, users } from "./schema/people.ts";
import { insertAuditRecords, storeWithAudit } from "./store-with-audit.ts";

export type GroupSummary = typeof groups.$inferSelect;

export interface GroupMember {
  readonly userId: string;
  readonly username: string;
  readonly displayName: string | null;
  readonly origins: readonly string[];
}

export interface GroupOfUser {
  readonly id: string;
  readonly name: string;
  readonly origins: readonly string[];
}

/** @throws {Error} a unique violation when the name is taken (see database-errors.ts). */
export async function insertGroup(
  database: Database,
  group: typeof groups.$inferInsert,
  audit: AuditRecord,
): Promise<void> {
  await storeWithAudit(database, [audit], () => [database.insert(groups).values(group)]);
}

export async function findGroup(
  database: Database | Transaction,
  id: string,
): Promise<GroupSummary | null> {
  const [row] = await database.select().from(groups).where(eq(groups.id, id)).limit(1);
  return row ?? null;
}

/** A page of groups by name. */
export async function listGroups(
  database: Database,
  page: {
    /** How their names begin; null: any. */
    readonly prefix: string | null;
    readonly after: string | null;
    readonly limit: number;
  },
): Promise<GroupSummary[]> {
  const { prefix, after } = page;
  return await database
    .select()
    .from(groups)
    .where(
      and(
        prefix === null ? undefined : gte(groups.name, prefix),
        prefix === null ? undefined : lt(groups.name, `${prefix}${LAST_CHARACTER}`),
        after === null ? undefined : gt(groups.name, after),
      ),
    )
    .orderBy(asc(groups.name))
    .limit(page.limit);
}

/** @throws {Error} a unique violation when the name is taken (see database-errors.ts). */
export async function changeGroup(
  database: Database,
  id: string,
  patch: { readonly name?: string; readonly description?: string | null },
  auditOf: (before: GroupSummary, after: GroupSummary) => AuditRecord,
): Promise<GroupSummary | null> {
  return await database.transaction(async (transaction) => {
    const before = await findGroup(transaction, id);
    if (before === null) {
      return null;
    }
    const after = { ...before, ...patch };
    await transaction.update(groups).set(patch).where(eq(groups.id, id));
    await insertAuditRecords(transaction, [auditOf(before, after)]);
    return after;
  });
}

/** Deletes the group and all memberships in it. Gives whether there was one. */
export async function deleteGroup(
  database: Database,
  id: string,
  auditOf: (group: { readonly name: string; readonly members: number }) => AuditRecord,
): Promise<boolean> {
  return await database.transaction(async (transaction) => {
    const group = await findGroup(transaction, id);
    if (group === null) {
      return false;
    }
    const [members] = await transaction
      .select({ count: count() })
      .from(groupMembers)
      .where(eq(groupMembers.groupId, id));
    // Not left to the foreign key: a database may be set not to follow it.
    await transaction.delete(groupMembers).where(eq(groupMembers.groupId, id));
    await transaction.delete(groups).where(eq(groups.id, id));
    const record = auditOf({ name: group.name, members: members?.count ?? 0 });
    await insertAuditRecords(transaction, [record]);
    return true;
  });
}

/** A page of a group's members by their ids. */
export async function listGroupMembers(
  database: Database,
  page: { readonly groupId: string; readonly after: string | null; readonly limit: number },
): Promise<GroupMember[]> {
  const { groupId, after } = page;
  const rows = await database
    .select({
      userId: groupMembers.userId,
      username: users.username,
      displayName: users.displayName,
      origins: ORIGINS,
    })
    .from(groupMembers)
    .innerJoin(users, eq(users.id, groupMembers.userId))
    .where(
      and(
        eq(groupMembers.groupId, groupId),
        after === null ? undefined : gt(groupMembers.userId, after),
      ),
    )
    .groupBy(groupMembers.userId)
    .orderBy(asc(groupMembers.userId))
    .limit(page.limit);
  return rows.map((row) => ({ ...row, origins: readOrigins(row.origins) }));
}

/** A page of the groups that a user is in, by the groups' ids. */
export async function listGroupsOfUser(
  database: Database,
  page: { readonly userId: string; readonly after: string | null; readonly limit: number },
): Promise<GroupOfUser[]> {
  const { userId, after } = page;
  const rows = await database
    .select({ id: groupMembers.groupId, name: groups.name, origins: ORIGINS })
    .from(groupMembers)
    .innerJoin(groups, eq(groups.id, groupMembers.groupId))
    .where(
      and(
        eq(groupMembers.userId, userId),
        after === null ? undefined : gt(groupMembers.groupId, after),
      ),
    )
    .groupBy(groupMembers.groupId)
    .orderBy(asc(groupMembers.groupId))
    .limit(page.limit);
  return rows.map((row) => ({ ...row, origins: readOrigins(row.origins) }));
}

/** Puts a user into a group by an admin's word; again is the same as once. */
export async function addLocalMember(
  database: Database,
  membership: { readonly groupId: string; readonly userId: string },
  audit: AuditRecord,
): Promise<"added" | "no-group" | "no-user"> {
  const { groupId, userId } = membership;
  return await database.transaction(async (transaction) => {
    if ((await findGroup(transaction, groupId)) === null) {
      return "no-group";
    }
    const user = await transaction
      .select({ id: users.id })
      .from(users)
      .where(and(eq(users.id, userId), isNull(users.deletedAtMs)));
    if (user.length === 0) {
      return "no-user";
    }
    const added = await transaction
      .insert(groupMembers)
      .values({ ...membership, origin: LOCAL_ORIGIN })
      .onConflictDoNothing()
      .returning({ userId: groupMembers.userId });
    if (added.length > 0) {
      await insertAuditRecords(transaction, [audit]);
    }
    return "added";
  });
}

/**
 * Takes an admin's word back. `by-provider`: the user is still a member, because a provider says
 * so, and there was no admin's word.
 */
export async function removeLocalMember(
  database: Database,
  membership: { readonly groupId: string; readonly userId: string },
  audit: AuditRecord,
): Promise<"removed" | "by-provider" | "not-found"> {
  const { groupId, userId } = membership;
  const isMember = and(eq(groupMembers.groupId, groupId), eq(groupMembers.userId, userId));
  return await database.transaction(async (transaction) => {
    const removed = await transaction
      .delete(groupMembers)
      .where(and(isMember, eq(groupMembers.origin, LOCAL_ORIGIN)))
      .returning({ userId: groupMembers.userId });
    if (removed.length > 0) {
      await insertAuditRecords(transaction, [audit]);
      return "removed";
    }
    const others = await transaction
      .select({ origin: groupMembers.origin })
      .from(groupMembers)
      .where(and(isMember, ne(groupMembers.origin, LOCAL_ORIGIN)))
      .limit(1);
    return others.length > 0 ? "by-provider" : "not-found";
  });
}

const ORIGINS = sql<string>`json_group_array(${groupMembers.origin})`;

function readOrigins(list: string): string[] {
  return (JSON.parse(list) as string[]).sort();
}

/** Sorts behind every text that a name can go on with. */
const LAST_CHARACTER = "\u{10FFFF}";
