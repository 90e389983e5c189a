/** The policies' table. Names are compared without regard to case (the column's collation). */
import { asc, eq, gt } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import type { Database } from "./database.ts";
import { type Attachment, dropStaleAttachments, listAttachments } from "./policy-attachments.ts";
import { policies } from "./schema/policies.ts";
import { insertAuditRecords, storeWithAudit } from "./store-with-audit.ts";

export type PolicyRow = typeof policies.$inferSelect;

/** @throws {Error} a unique violation when the name is taken (see database-errors.ts). */
export async function insertPolicy(
  database: Database,
  row: PolicyRow,
  audit: AuditRecord,
): Promise<void> {
  await storeWithAudit(database, [audit], () => [database.insert(policies).values(row)]);
}

export async function findPolicy(database: Database, id: string): Promise<PolicyRow | null> {
  const [row] = await database.select().from(policies).where(eq(policies.id, id)).limit(1);
  return row ?? null;
}

/** A page of the list, by name. */
export async function listPolicies(
  database: Database,
  page: { readonly afterName: string | null; readonly limit: number },
): Promise<PolicyRow[]> {
  return await database
    .select()
    .from(policies)
    .where(page.afterName === null ? undefined : gt(policies.name, page.afterName))
    .orderBy(asc(policies.name))
    .limit(page.limit);
}

/** What a policy becomes, and the record of that; null: it stays as it is. */
export type PolicyChange = { readonly row: PolicyRow; readonly audit: AuditRecord } | null;

/**
 * Changes the policy from what it is at that moment. The value is the policy afterwards, or null
 * when there is none.
 *
 * @throws {Error} a unique violation when the name is taken.
 */
export async function updatePolicy(
  database: Database,
  id: string,
  change: (before: PolicyRow) => PolicyChange,
): Promise<PolicyRow | null> {
  return await database.transaction(async (transaction) => {
    const [before] = await transaction.select().from(policies).where(eq(policies.id, id)).limit(1);
    const changed = before === undefined ? null : change(before);
    if (changed === null) {
      return before ?? null;
    }
    const { id: _id, ...fields } = changed.row;
    await transaction.update(policies).set(fields).where(eq(policies.id, id));
    await insertAuditRecords(transaction, [changed.audit]);
    return changed.row;
  });
}

/** What came of a deletion: `attached` names some of what the policy is attached to. */
export type PolicyDeletion =
  | { readonly outcome: "deleted" | "none" }
  | { readonly outcome: "attached"; readonly to: readonly Attachment[] };

/** Deletes a policy that is attached to nothing that is still there. */
export async function deletePolicy(
  database: Database,
  deletion: { readonly id: string; readonly namedMax: number },
  auditOf: (policy: PolicyRow) => AuditRecord,
): Promise<PolicyDeletion> {
  const { id, namedMax } = deletion;
  return await database.transaction(async (transaction) => {
    await dropStaleAttachments(transaction, id);
    const page = { filter: { policyId: id }, afterId: null, limit: namedMax };
    const to = await listAttachments(transaction, page);
    if (to.length > 0) {
      return { outcome: "attached", to };
    }
    const [deleted] = await transaction.delete(policies).where(eq(policies.id, id)).returning();
    if (deleted === undefined) {
      return { outcome: "none" };
    }
    await insertAuditRecords(transaction, [auditOf(deleted)]);
    return { outcome: "deleted" };
  });
}
