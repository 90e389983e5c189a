/**
 * People who come through a provider: the one transaction in which what the provider says of a
 * person becomes a user of ours. The provider decides name, role and its own memberships; it never
 * touches a local user, nor what an admin or another provider put into a group.
 */
import { and, eq, inArray, sql } from "drizzle-orm";
import { describeChanges } from "#shared/audit/describe-changes.ts";
import type { AuditEvent, AuditRecord } from "#shared/audit/events.ts";
import type { Role } from "../identity/permissions.ts";
import { deleteLoginsOfUser } from "./credentials.ts";
import type { Transaction, Database } from "./database.ts";
import { groupMembers, groups, identities, users } from "./schema/people.ts";
import { insertAuditRecords } from "./store-with-audit.ts";

export interface Adoption {
  readonly provider: string;
  readonly subject: string;
  /** User names to try for a new person, best first. */
  readonly usernames: readonly string[];
  readonly displayName: string | null;
  readonly email: string | null;
  readonly role: Role;
  /** Names of the provider's groups; those that exist here count. */
  readonly groups: readonly string[];
  /** The id of a new user, should one be needed. */
  readonly newUserId: string;
  readonly atMs: number;
}

export type Adopted =
  | { readonly kind: "user"; readonly id: string; readonly username: string }
  | { readonly kind: "disabled"; readonly username: string }
  | { readonly kind: "name-taken" };

/** Finds or makes the user of an identity, and brings role and groups up to date. */
export async function adoptExternalUser(
  database: Database,
  adoption: Adoption,
  auditOf: (event: AuditEvent) => AuditRecord,
): Promise<Adopted> {
  return await database.transaction(async (transaction) => {
    const known = await findByIdentity(transaction, adoption);
    if (known !== null && (known.disabledAtMs !== null || known.deletedAtMs !== null)) {
      return { kind: "disabled", username: known.username };
    }
    const events: AuditEvent[] = [];
    const user = known ?? (await createUser(transaction, adoption));
    if (user === null) {
      return { kind: "name-taken" };
    }
    const { id, username } = user;
    if (known === null) {
      const { role, provider } = adoption;
      events.push({
        type: "user.created",
        data: { username, userId: id, role, origin: provider },
      });
    } else {
      events.push(...(await updateUser(transaction, known, { ...adoption, loginsEnded: 0 })));
    }
    events.push(...(await syncGroups(transaction, id, adoption)));
    await insertAuditRecords(transaction, events.map(auditOf));
    return { kind: "user", id, username };
  });
}

/**
 * What the provider says of somebody whom it does not let in any more: a user that there is loses
 * their logins, their role and the provider's memberships. Of a stranger nothing is kept.
 */
export async function dismissExternalUser(
  database: Database,
  dismissal: Pick<Adoption, "provider" | "subject" | "groups">,
  auditOf: (event: AuditEvent) => AuditRecord,
): Promise<void> {
  await database.transaction(async (transaction) => {
    const known = await findByIdentity(transaction, dismissal);
    if (known === null || known.disabledAtMs !== null || known.deletedAtMs !== null) {
      return;
    }
    const ending = { userId: known.id, exceptLoginId: null };
    const loginsEnded = await deleteLoginsOfUser(transaction, ending);
    const events = [
      ...(await updateUser(transaction, known, { ...known, role: "user", loginsEnded })),
      ...(await syncGroups(transaction, known.id, dismissal)),
    ];
    if (events.length > 0) {
      await insertAuditRecords(transaction, events.map(auditOf));
    }
  });
}

type KnownUser = Pick<
  typeof users.$inferSelect,
  "id" | "username" | "role" | "displayName" | "email" | "disabledAtMs" | "deletedAtMs"
>;

async function findByIdentity(
  transaction: Transaction,
  { provider, subject }: Pick<Adoption, "provider" | "subject">,
): Promise<KnownUser | null> {
  const [row] = await transaction
    .select({
      id: users.id,
      username: users.username,
      role: users.role,
      displayName: users.displayName,
      email: users.email,
      disabledAtMs: users.disabledAtMs,
      deletedAtMs: users.deletedAtMs,
    })
    .from(identities)
    .innerJoin(users, eq(users.id, identities.userId))
    .where(and(eq(identities.provider, provider), eq(identities.subject, subject)))
    .limit(1);
  return row ?? null;
}

async function createUser(
  transaction: Transaction,
  adoption: Adoption,
): Promise<{ readonly id: string; readonly username: string } | null> {
  const { newUserId: id, provider, subject, displayName, email, role, atMs } = adoption;
  for (const username of adoption.usernames) {
    const made = await transaction
      .insert(users)
      .values({ id, username, role, displayName, email, origin: provider, createdAtMs: atMs })
      .onConflictDoNothing({ target: users.username })
      .returning({ id: users.id });
    if (made.length > 0) {
      await transaction
        .insert(identities)
        .values({ provider, subject, userId: id, createdAtMs: atMs });
      return { id, username };
    }
  }
  return null;
}

async function updateUser(
  transaction: Transaction,
  known: KnownUser,
  change: Pick<Adoption, "role" | "displayName" | "email"> & { readonly loginsEnded: number },
): Promise<AuditEvent[]> {
  const { role, displayName, email, loginsEnded } = change;
  const before = { role: known.role, displayName: known.displayName, email: known.email };
  const changes = describeChanges(before, { role, displayName, email });
  if (changes.length === 0 && loginsEnded === 0) {
    return [];
  }
  await transaction.update(users).set({ role, displayName, email }).where(eq(users.id, known.id));
  const roles = known.role === role ? {} : { roleBefore: known.role, roleAfter: role };
  const { id: userId, username } = known;
  const fields = changes.map(({ field }) => field).join(",");
  const data = { userId, username, fields, changes, ...roles };
  return [{ type: "user.changed", data: { ...data, loginsEnded, tokensRevoked: 0 } }];
}

/** Only the provider's own memberships come and go. */
async function syncGroups(
  transaction: Transaction,
  userId: string,
  word: Pick<Adoption, "provider" | "groups">,
): Promise<AuditEvent[]> {
  const { provider: origin } = word;
  const names = sql`(SELECT value FROM json_each(${JSON.stringify(word.groups)}))`;
  const [wanted, had] = await Promise.all([
    transaction.select({ id: groups.id }).from(groups).where(inArray(groups.name, names)),
    transaction
      .select({ id: groupMembers.groupId })
      .from(groupMembers)
      .where(and(eq(groupMembers.userId, userId), eq(groupMembers.origin, origin))),
  ]);
  const wantedIds = new Set(wanted.map(({ id }) => id));
  const hadIds = new Set(had.map(({ id }) => id));
  const added = [...wantedIds].filter((id) => !hadIds.has(id));
  const removed = [...hadIds].filter((id) => !wantedIds.has(id));
  if (added.length > 0) {
    await transaction
      .insert(groupMembers)
      .values(added.map((groupId) => ({ groupId, userId, origin })));
  }
  if (removed.length > 0) {
    await transaction
      .delete(groupMembers)
      .where(
        and(
          eq(groupMembers.userId, userId),
          eq(groupMembers.origin, origin),
          inArray(groupMembers.groupId, removed),
        ),
      );
  }
  const tell = (type: "group.member-added" | "group.member-removed") => (groupId: string) => ({
    type,
    data: { groupId, userId, origin },
  });
  return [...added.map(tell("group.member-added")), ...removed.map(tell("group.member-removed"))];
}
