/** Webhooks: where audit events are sent, and how far along the trail each is. */
import { and, asc, desc, eq, lte, type SQL, sql } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import type { Database, Transaction } from "./database.ts";
import { auditEvents } from "./schema/audit.ts";
import { webhooks } from "./schema/webhooks.ts";
import { insertAuditRecords, storeWithAudit } from "./store-with-audit.ts";

export type WebhookRow = typeof webhooks.$inferSelect;

/** Stores a webhook that follows the trail from its present end on. */
export async function insertWebhook(
  database: Database,
  webhook: Omit<typeof webhooks.$inferInsert, "position">,
  audit: AuditRecord,
): Promise<void> {
  const newest = database
    .select({ position: sql`coalesce(max(${auditEvents.position}), 0)` })
    .from(auditEvents);
  await storeWithAudit(database, [audit], () => [
    database.insert(webhooks).values({ ...webhook, position: sql`${newest}` }),
  ]);
}

/** All of them, oldest first: there are few. */
export async function listWebhooks(database: Database): Promise<WebhookRow[]> {
  return await database
    .select()
    .from(webhooks)
    .orderBy(asc(webhooks.createdAtMs), asc(webhooks.id));
}

export async function findWebhook(
  database: Database | Transaction,
  id: string,
): Promise<WebhookRow | null> {
  const [row] = await database.select().from(webhooks).where(eq(webhooks.id, id)).limit(1);
  return row ?? null;
}

/** What of a webhook changes, and the records of that. */
export interface WebhookUpdate {
  readonly patch: Partial<WebhookRow>;
  readonly audits: readonly AuditRecord[];
}

/**
 * Changes the webhook from what it is at that moment: `judge` answers the update, or null when there
 * is nothing to change. The value is the webhook afterwards, or null when there is none.
 */
export async function updateWebhook(
  database: Database,
  id: string,
  judge: (before: WebhookRow) => WebhookUpdate | null,
): Promise<WebhookRow | null> {
  return await database.transaction(async (transaction) => {
    const before = await findWebhook(transaction, id);
    const update = before === null ? null : judge(before);
    if (before === null || update === null) {
      return before;
    }
    await transaction.update(webhooks).set(update.patch).where(eq(webhooks.id, id));
    await insertAuditRecords(transaction, update.audits);
    return { ...before, ...update.patch };
  });
}

/** False when there is no such webhook; nothing is recorded then. */
export async function deleteWebhook(
  database: Database,
  id: string,
  auditOf: (webhook: WebhookRow) => AuditRecord,
): Promise<boolean> {
  return await database.transaction(async (transaction) => {
    const [deleted] = await transaction.delete(webhooks).where(eq(webhooks.id, id)).returning();
    if (deleted === undefined) {
      return false;
    }
    await insertAuditRecords(transaction, [auditOf(deleted)]);
    return true;
  });
}

/** Takes the webhook for one run of the job; null while another has it, or when it is disabled. */
export async function claimWebhook(
  database: Database,
  id: string,
  lease: { readonly nowMs: number; readonly untilMs: number },
): Promise<WebhookRow | null> {
  const [row] = await database
    .update(webhooks)
    .set({ leaseUntilMs: lease.untilMs })
    .where(
      and(eq(webhooks.id, id), eq(webhooks.enabled, true), lte(webhooks.leaseUntilMs, lease.nowMs)),
    )
    .returning();
  return row ?? null;
}

/** Gives the webhook back, if the lease is still that one. */
export async function releaseWebhook(
  database: Database,
  id: string,
  untilMs: number,
): Promise<void> {
  await database
    .update(webhooks)
    .set({ leaseUntilMs: 0 })
    .where(and(eq(webhooks.id, id), eq(webhooks.leaseUntilMs, untilMs)));
}

/** The first place of the trail that holds an event; 0 when it is empty. */
export async function findOldestPosition(database: Database): Promise<number> {
  return await findPosition(database, asc(auditEvents.position));
}

/** The last place of the trail that holds an event; 0 when it is empty. */
export async function findNewestPosition(database: Database): Promise<number> {
  return await findPosition(database, desc(auditEvents.position));
}

async function findPosition(database: Database, order: SQL): Promise<number> {
  const [row] = await database
    .select({ position: auditEvents.position })
    .from(auditEvents)
    .orderBy(order)
    .limit(1);
  return row?.position ?? 0;
}

/** How far the webhook that is farthest behind has come; null when none is enabled. */
export async function findLastFollowed(database: Database): Promise<number | null> {
  const rows = await listWebhooks(database);
  const positions = rows.filter(({ enabled }) => enabled).map(({ position }) => position);
  return positions.length === 0 ? null : Math.min(...positions);
}
