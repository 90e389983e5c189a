/** Messages of webhooks: those that failed have a row; of the others only the place is kept. */
import { and, asc, between, desc, eq, gt, inArray, lte, sql } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import type { StoredAuditEvent } from "#shared/audit/stored-event.ts";
import { STORED_EVENT } from "./audit-events.ts";
import type { Database } from "./database.ts";
import { auditEvents } from "./schema/audit.ts";
import { webhookDeliveries, webhooks } from "./schema/webhooks.ts";
import { storeWithAudit } from "./store-with-audit.ts";
import type { WebhookRow } from "./webhooks.ts";

export type DeliveryRow = typeof webhookDeliveries.$inferSelect;

type PlacedEvent = StoredAuditEvent & { readonly position: number };

/** Position in the list, newest first. */
export interface DeliveryCursor {
  readonly createdAtMs: number;
  readonly id: string;
}

/**
 * What may be sent next: a message that failed and is to be tried again first (due or not), one
 * that is driven again and due, and what follows in the trail. One round trip.
 */
export async function readNextWork(
  database: Database,
  webhook: Pick<WebhookRow, "id" | "position">,
  asked: { readonly nowMs: number; readonly limit: number },
): Promise<{
  readonly retrying: DeliveryRow | null;
  readonly redriving: DeliveryRow | null;
  readonly placed: readonly PlacedEvent[];
}> {
  const inState = (state: DeliveryRow["state"]) =>
    and(eq(webhookDeliveries.webhookId, webhook.id), eq(webhookDeliveries.state, state));
  const [[retrying], [redriving], placed] = await database.batch([
    database.select().from(webhookDeliveries).where(inState("retrying")).limit(1),
    database
      .select()
      .from(webhookDeliveries)
      .where(and(inState("redriving"), lte(webhookDeliveries.nextAttemptAtMs, asked.nowMs)))
      .orderBy(asc(webhookDeliveries.nextAttemptAtMs))
      .limit(1),
    database
      .select({ ...STORED_EVENT, position: auditEvents.position })
      .from(auditEvents)
      .where(gt(auditEvents.position, webhook.position))
      .orderBy(asc(auditEvents.position))
      .limit(asked.limit),
  ]);
  return { retrying: retrying ?? null, redriving: redriving ?? null, placed };
}

/** The webhooks that have a message which is tried again and due. */
export async function listWebhooksDue(database: Database, nowMs: number): Promise<string[]> {
  const rows = await database
    .selectDistinct({ webhookId: webhookDeliveries.webhookId })
    .from(webhookDeliveries)
    .where(
      and(
        inArray(webhookDeliveries.state, ["retrying", "redriving"]),
        lte(webhookDeliveries.nextAttemptAtMs, nowMs),
      ),
    );
  return rows.map(({ webhookId }) => webhookId);
}

/** The events between two places, both included. */
export async function listPlacedEvents(
  database: Database,
  range: { readonly firstPosition: number; readonly lastPosition: number; readonly limit: number },
): Promise<PlacedEvent[]> {
  return await database
    .select({ ...STORED_EVENT, position: auditEvents.position })
    .from(auditEvents)
    .where(between(auditEvents.position, range.firstPosition, range.lastPosition))
    .orderBy(asc(auditEvents.position))
    .limit(range.limit);
}

/** A message was tried: its row, if it has one or gets one, and what that makes of its webhook. */
export async function storeAttempt(
  database: Database,
  attempt: {
    readonly webhookId: string;
    readonly webhook: Partial<WebhookRow>;
    readonly delivery: DeliveryRow | null;
  },
  audits: readonly AuditRecord[],
): Promise<void> {
  const { webhookId, webhook, delivery } = attempt;
  await storeWithAudit(database, audits, () => [
    database.update(webhooks).set(webhook).where(eq(webhooks.id, webhookId)),
    ...(delivery === null
      ? []
      : [
          database
            .insert(webhookDeliveries)
            .values(delivery)
            .onConflictDoUpdate({ target: webhookDeliveries.id, set: delivery }),
        ]),
  ]);
}

/** A page of a webhook's messages that failed once, newest first. */
export async function listDeliveries(
  database: Database,
  page: {
    readonly webhookId: string;
    readonly after: DeliveryCursor | null;
    readonly limit: number;
  },
): Promise<DeliveryRow[]> {
  const { webhookId, after } = page;
  const { createdAtMs, id } = webhookDeliveries;
  return await database
    .select()
    .from(webhookDeliveries)
    .where(
      and(
        eq(webhookDeliveries.webhookId, webhookId),
        after === null
          ? undefined
          : sql`(${createdAtMs}, ${id}) < (${after.createdAtMs}, ${after.id})`,
      ),
    )
    .orderBy(desc(createdAtMs), desc(id))
    .limit(page.limit);
}

/**
 * Has a message tried again as soon as can be: a dead one afresh and beside the others, one that
 * waits for its turn in its place before them. False when there is none that is undelivered.
 */
export async function redriveDelivery(
  database: Database,
  delivery: { readonly webhookId: string; readonly id: string; readonly nowMs: number },
  audit: AuditRecord,
): Promise<boolean> {
  const { webhookId, id, nowMs } = delivery;
  const mine = and(eq(webhookDeliveries.webhookId, webhookId), eq(webhookDeliveries.id, id));
  const [row] = await database.select().from(webhookDeliveries).where(mine).limit(1);
  if (row === undefined || row.state === "delivered") {
    return false;
  }
  const afresh = row.state === "dead" ? ({ state: "redriving", attempts: 0 } as const) : {};
  await storeWithAudit(database, [audit], () => [
    database
      .update(webhookDeliveries)
      .set({ ...afresh, nextAttemptAtMs: nowMs })
      .where(and(mine, eq(webhookDeliveries.state, row.state))),
  ]);
  return true;
}

/** Forgets a bounded number of messages of that state that were tried last before a time. */
export async function deleteOldDeliveries(
  database: Database,
  old: { readonly state: DeliveryRow["state"]; readonly beforeMs: number; readonly limit: number },
): Promise<number> {
  const oldest = database
    .select({ id: webhookDeliveries.id })
    .from(webhookDeliveries)
    .where(
      and(
        eq(webhookDeliveries.state, old.state),
        lte(webhookDeliveries.attemptedAtMs, old.beforeMs),
      ),
    )
    .limit(old.limit);
  const { rowsAffected } = await database
    .delete(webhookDeliveries)
    .where(inArray(webhookDeliveries.id, oldest));
  return rowsAffected;
}
