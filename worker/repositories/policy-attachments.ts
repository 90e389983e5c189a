/**
 * What policies are attached to: everyone, a console, a source, a group or a user. Attachments of a
 * subject that is gone stay until somebody detaches them, or deletes the policy.
 */
import { and, asc, eq, gt, inArray, or, type SQL, sql, type SQLWrapper } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import type { AttachedKind } from "#shared/policy/policy.ts";
import type { Database, Transaction } from "./database.ts";
import { consoles, sources } from "./schema/consoles.ts";
import { groupMembers, groups, users } from "./schema/people.ts";
import { policies, policyAttachments } from "./schema/policies.ts";
import { insertAuditRecords } from "./store-with-audit.ts";

/** What a policy applies to; everyone's id is `everyone`. */
export interface AttachedSubject {
  readonly kind: AttachedKind;
  readonly subjectId: string;
}

export interface Attachment extends AttachedSubject {
  readonly id: string;
  readonly policyId: string;
  readonly policyName: string;
  /** Null: the subject is gone. */
  readonly subjectName: string | null;
  readonly createdAtMs: number;
}

export interface AttachmentFilter {
  readonly policyId?: string | undefined;
  readonly subjectId?: string | undefined;
}

/** A page of the attachments, in no meaningful but a stable order. */
export async function listAttachments(
  database: Database | Transaction,
  page: {
    readonly filter: AttachmentFilter;
    readonly afterId: string | null;
    readonly limit: number;
  },
): Promise<Attachment[]> {
  const { filter, afterId, limit } = page;
  return await selectAttachments(database)
    .where(
      and(
        filter.policyId === undefined ? undefined : eq(policyAttachments.policyId, filter.policyId),
        filter.subjectId === undefined
          ? undefined
          : eq(policyAttachments.subjectId, filter.subjectId),
        afterId === null ? undefined : gt(policyAttachments.id, afterId),
      ),
    )
    .orderBy(asc(policyAttachments.id))
    .limit(limit);
}

/** What came of an attachment: it is new, it was there, or something is missing. */
export type Attaching =
  | {
      readonly outcome: "attached" | "already";
      readonly attachment: Attachment;
      /** JSON of the policy's rules. */
      readonly rules: string;
    }
  | { readonly outcome: "no-policy" | "no-subject" | "too-many" };

/** Attaches a policy. A subject has at most `perSubjectMax` policies. */
export async function attachPolicy(
  database: Database,
  attaching: {
    readonly row: typeof policyAttachments.$inferSelect;
    readonly perSubjectMax: number;
  },
  auditOf: (attachment: Attachment) => AuditRecord,
): Promise<Attaching> {
  const { row, perSubjectMax } = attaching;
  const { kind, subjectId, policyId } = row;
  return await database.transaction(async (transaction) => {
    const [found] = await transaction
      .select({
        policyName: policies.name,
        subjectName: subjectName(sql`${kind}`, sql`${subjectId}`),
        rules: policies.rules,
      })
      .from(policies)
      .where(eq(policies.id, policyId))
      .limit(1);
    if (found === undefined) {
      return { outcome: "no-policy" };
    }
    const { rules, ...named } = found;
    if (named.subjectName === null) {
      return { outcome: "no-subject" };
    }
    const present = await transaction
      .select()
      .from(policyAttachments)
      .where(eq(policyAttachments.subjectId, subjectId));
    const already = present.find((other) => other.policyId === policyId);
    if (already !== undefined) {
      return { outcome: "already", attachment: { ...already, ...named }, rules };
    }
    if (present.length >= perSubjectMax) {
      return { outcome: "too-many" };
    }
    const attachment = { ...row, ...named };
    await transaction.insert(policyAttachments).values(row);
    await insertAuditRecords(transaction, [auditOf(attachment)]);
    return { outcome: "attached", attachment, rules };
  });
}

/** False when there is no such attachment; nothing is recorded then. */
export async function detachPolicy(
  database: Database,
  id: string,
  auditOf: (attachment: Attachment) => AuditRecord,
): Promise<boolean> {
  return await database.transaction(async (transaction) => {
    const [attachment] = await selectAttachments(transaction).where(eq(policyAttachments.id, id));
    if (attachment === undefined) {
      return false;
    }
    await transaction.delete(policyAttachments).where(eq(policyAttachments.id, id));
    await insertAuditRecords(transaction, [auditOf(attachment)]);
    return true;
  });
}

/** Forgets those of the policy's attachments whose subjects are gone. */
export async function dropStaleAttachments(
  transaction: Transaction,
  policyId: string,
): Promise<void> {
  await transaction
    .delete(policyAttachments)
    .where(and(eq(policyAttachments.policyId, policyId), sql`${subjectName()} IS NULL`));
}

/** A policy that applies, and why. */
export interface ApplyingPolicy extends AttachedSubject {
  readonly policyId: string;
  readonly policyName: string;
  readonly subjectName: string | null;
  readonly rules: string;
}

/** Every policy that applies when that user opens that console; without a user: to nobody in person. */
export async function findApplyingPolicies(
  database: Database,
  opening: {
    readonly consoleId: string;
    readonly sourceId: string;
    readonly userId: string | null;
  },
): Promise<ApplyingPolicy[]> {
  const { consoleId, sourceId, userId } = opening;
  const { subjectId } = policyAttachments;
  const groupsOf = (id: string) =>
    database
      .select({ id: groupMembers.groupId })
      .from(groupMembers)
      .where(eq(groupMembers.userId, id));
  const subjects = ["everyone", consoleId, sourceId, ...(userId === null ? [] : [userId])];
  return await database
    .select({
      policyId: policies.id,
      policyName: policies.name,
      rules: policies.rules,
      kind: policyAttachments.kind,
      subjectId,
      subjectName: subjectName(),
    })
    .from(policyAttachments)
    .innerJoin(policies, eq(policies.id, policyAttachments.policyId))
    .where(
      userId === null
        ? inArray(subjectId, subjects)
        : or(inArray(subjectId, subjects), inArray(subjectId, groupsOf(userId))),
    );
}

function selectAttachments(database: Database | Transaction) {
  return database
    .select({
      id: policyAttachments.id,
      policyId: policyAttachments.policyId,
      policyName: policies.name,
      kind: policyAttachments.kind,
      subjectId: policyAttachments.subjectId,
      subjectName: subjectName(),
      createdAtMs: policyAttachments.createdAtMs,
    })
    .from(policyAttachments)
    .innerJoin(policies, eq(policies.id, policyAttachments.policyId));
}

/** The subject's name; null when it is gone. */
function subjectName(
  kind: SQLWrapper = policyAttachments.kind,
  id: SQLWrapper = policyAttachments.subjectId,
): SQL<string | null> {
  return sql<string | null>`CASE ${kind}
    WHEN 'everyone' THEN 'everyone'
    WHEN 'console' THEN (SELECT ${consoles.name} FROM ${consoles}
      WHERE ${consoles.id} = ${id} AND ${consoles.deletedAtMs} IS NULL)
    WHEN 'source' THEN (SELECT ${sources.name} FROM ${sources} WHERE ${sources.id} = ${id})
    WHEN 'group' THEN (SELECT ${groups.name} FROM ${groups} WHERE ${groups.id} = ${id})
    WHEN 'user' THEN (SELECT ${users.username} FROM ${users}
      WHERE ${users.id} = ${id} AND ${users.deletedAtMs} IS NULL)
    END`;
}
