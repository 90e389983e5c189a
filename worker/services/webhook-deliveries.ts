/** What became of a webhook's messages: those that failed, trying one again, and trying the way. */
import { newId } from "#shared/base/ids.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import {
  type DeliveryCursor,
  type DeliveryRow,
  listDeliveries,
  redriveDelivery,
} from "../repositories/webhook-deliveries.ts";
import { findWebhook } from "../repositories/webhooks.ts";
import { auditRecord } from "./audit-record.ts";
import type { Caller, ServiceContext } from "./context.ts";
import { type MessageOutcome, sendMessage } from "./webhook-message.ts";
import { originOf } from "./webhooks.ts";

/** A message that failed at least once. */
export type DeliveryView = Omit<DeliveryRow, "webhookId" | "firstPosition" | "lastPosition">;

/** Sends a message without events at once, whether the webhook is enabled or not. */
export async function testWebhook(
  context: ServiceContext,
  id: string,
): Promise<Result<MessageOutcome, Failure>> {
  const row = await findWebhook(context.database, id);
  if (row === null) {
    return NOT_FOUND;
  }
  const message = newId("message", context.randomBytes);
  const createdAtMs = context.nowMs();
  return ok(await sendMessage(context, row, { id: message, events: [], createdAtMs }));
}

/** A page of the webhook's messages that failed at least once, newest first. */
export async function pageDeliveries(
  context: ServiceContext,
  webhookId: string,
  page: { readonly after: DeliveryCursor | null; readonly limit: number },
): Promise<
  Result<{ readonly items: readonly DeliveryView[]; readonly next: DeliveryCursor | null }, Failure>
> {
  if ((await findWebhook(context.database, webhookId)) === null) {
    return NOT_FOUND;
  }
  // One more than asked for tells whether there is another page.
  const limit = page.limit + 1;
  const rows = await listDeliveries(context.database, { webhookId, after: page.after, limit });
  const last = rows.length === limit ? rows[page.limit - 1] : undefined;
  return ok({
    items: rows.slice(0, page.limit),
    next: last === undefined ? null : { createdAtMs: last.createdAtMs, id: last.id },
  });
}

/** Has a dead or waiting message tried again with the next run. Fails with `resource.not-found`. */
export async function redrive(
  context: ServiceContext,
  caller: Caller,
  delivery: { readonly webhookId: string; readonly id: string },
): Promise<Result<null, Failure>> {
  const { webhookId, id } = delivery;
  const row = await findWebhook(context.database, webhookId);
  if (row === null) {
    return NOT_FOUND;
  }
  const event = { type: "webhook.redriven", data: { origin: originOf(row), message: id } } as const;
  const nowMs = context.nowMs();
  const audit = auditRecord(context, caller, event, { subjectId: webhookId });
  const found = await redriveDelivery(context.database, { webhookId, id, nowMs }, audit);
  return found ? ok(null) : NOT_FOUND;
}

const NOT_FOUND = fail({ code: "resource.not-found", detail: "" } as const);
