/**
 * The job that delivers audit events to webhooks: at least once, and to each webhook in the order
 * in which they were stored. Each has its place in the trail; a message that is not taken gets a
 * row, is tried again with growing pauses, and holds up those behind it until it is taken or dead.
 */
import type { AuditRecord } from "#shared/audit/events.ts";
import { newId } from "#shared/base/ids.ts";
import { logFailure } from "../log.ts";
import {
  type DeliveryRow,
  listPlacedEvents,
  listWebhooksDue,
  readNextWork,
  storeAttempt,
} from "../repositories/webhook-deliveries.ts";
import {
  claimWebhook,
  findNewestPosition,
  listWebhooks,
  releaseWebhook,
  type WebhookRow,
} from "../repositories/webhooks.ts";
import { auditRecord, SYSTEM_CALLER } from "./audit-record.ts";
import type { ServiceContext } from "./context.ts";
import { composeMessage, DEAD_LETTERS_MAX, retryDelayMs } from "./webhook-rules.ts";
import { type MessageOutcome, sendMessage } from "./webhook-message.ts";

export async function deliverWebhooks(
  context: ServiceContext,
): Promise<{ readonly again: boolean }> {
  const due = await findDue(context);
  let again = false;
  for (let start = 0; start < due.length; start += WEBHOOKS_AT_ONCE) {
    const group = due.slice(start, start + WEBHOOKS_AT_ONCE);
    const more = await Promise.all(group.map(async ({ id }) => await deliverTo(context, id)));
    again ||= more.includes(true);
  }
  return { again };
}

/** Those for which there may be something to send: most runs find nothing, and write nothing. */
async function findDue({ database, nowMs }: ServiceContext): Promise<WebhookRow[]> {
  const all = await listWebhooks(database);
  if (!all.some(({ enabled }) => enabled)) {
    return [];
  }
  const [newest, dueIds] = await Promise.all([
    findNewestPosition(database),
    listWebhooksDue(database, nowMs()),
  ]);
  return all.filter(
    ({ id, enabled, position }) => enabled && (position < newest || dueIds.includes(id)),
  );
}

/** Whether there is more to deliver at once. */
async function deliverTo(context: ServiceContext, id: string): Promise<boolean> {
  const startMs = context.nowMs();
  const untilMs = startMs + LEASE_MS;
  try {
    let webhook = await claimWebhook(context.database, id, { nowMs: startMs, untilMs });
    if (webhook === null) {
      return false;
    }
    for (let count = 0; count < MESSAGES_MAX && webhook !== null; count += 1) {
      if (context.nowMs() - startMs > RUN_MS_MAX) {
        break;
      }
      webhook = await deliverNext(context, webhook);
    }
    await releaseWebhook(context.database, id, untilMs);
    return webhook !== null;
  } catch (error) {
    // The others go on; this one is taken up again when its lease has ended.
    logFailure("webhook.run-failed", error, { webhookId: id });
    return false;
  }
}

/** Sends what is next; null when nothing is, or when it has to wait. */
async function deliverNext(
  context: ServiceContext,
  webhook: WebhookRow,
): Promise<WebhookRow | null> {
  const nowMs = context.nowMs();
  const work = await readNextWork(context.database, webhook, { nowMs, limit: EVENTS_AT_ONCE });
  const { retrying, redriving, placed } = work;
  const isDue = retrying !== null && (retrying.nextAttemptAtMs ?? 0) <= nowMs;
  const again = isDue ? retrying : redriving;
  if (again !== null) {
    return await sendAgain(context, webhook, again);
  }
  const message = retrying === null ? composeMessage(placed, patternsOf(webhook)) : null;
  if (message === null) {
    return null;
  }
  const { events, lastPosition } = message;
  if (events.length === 0) {
    const moved = { position: lastPosition };
    await storeAttempt(
      context.database,
      { webhookId: webhook.id, webhook: moved, delivery: null },
      [],
    );
    return { ...webhook, ...moved };
  }
  const id = newId("message", context.randomBytes);
  const outcome = await sendMessage(context, webhook, { id, events, createdAtMs: nowMs });
  const fresh: DeliveryRow = {
    id,
    webhookId: webhook.id,
    firstPosition: webhook.position + 1,
    lastPosition,
    state: "retrying",
    attempts: 0,
    nextAttemptAtMs: null,
    createdAtMs: nowMs,
    attemptedAtMs: nowMs,
    status: null,
    error: null,
  };
  const delivery = outcome.error === null ? null : fresh;
  return await settle(context, { ...webhook, position: lastPosition }, { delivery, outcome });
}

async function sendAgain(
  context: ServiceContext,
  webhook: WebhookRow,
  delivery: DeliveryRow,
): Promise<WebhookRow | null> {
  const { id, firstPosition, lastPosition, createdAtMs } = delivery;
  const placed = await listPlacedEvents(context.database, {
    firstPosition,
    lastPosition,
    limit: EVENTS_AT_ONCE,
  });
  const events = composeMessage(placed, patternsOf(webhook))?.events ?? [];
  const outcome: MessageOutcome =
    events.length === 0
      ? { status: null, error: "events-gone" }
      : await sendMessage(context, webhook, { id, events, createdAtMs });
  return await settle(context, webhook, { delivery, outcome });
}

/** Stores what became of an attempt; null when the webhook was disabled by it. */
async function settle(
  context: ServiceContext,
  webhook: WebhookRow,
  attempt: { readonly delivery: DeliveryRow | null; readonly outcome: MessageOutcome },
): Promise<WebhookRow | null> {
  const { database, nowMs, randomBytes } = context;
  const { delivery, outcome } = attempt;
  const random = (randomBytes(1)[0] ?? 0) / 255;
  const judged = delivery === null ? null : judgeAttempt(delivery, outcome, nowMs(), random);
  const changed = changeOf(webhook, { before: delivery, after: judged, outcome }, nowMs());
  const audits = changed.enabled ? [] : [disabledRecord(context, webhook, changed)];
  await storeAttempt(
    database,
    { webhookId: webhook.id, webhook: changed, delivery: judged },
    audits,
  );
  return changed.enabled ? { ...webhook, ...changed } : null;
}

/** The message's row after an attempt. */
function judgeAttempt(
  delivery: DeliveryRow,
  outcome: MessageOutcome,
  nowMs: number,
  random: number,
): DeliveryRow {
  const { status, error } = outcome;
  const attempts = delivery.attempts + 1;
  const tried = { ...delivery, attempts, attemptedAtMs: nowMs, status, error };
  if (error === null) {
    return { ...tried, state: "delivered", nextAttemptAtMs: null };
  }
  const isFinal = error === "events-gone" || status === GONE_STATUS;
  const delayMs = isFinal ? null : retryDelayMs(attempts, random);
  return delayMs === null
    ? { ...tried, state: "dead", nextAttemptAtMs: null }
    : { ...tried, nextAttemptAtMs: nowMs + delayMs };
}

/** What an attempt changes of the webhook. A message that is driven again says nothing of it. */
function changeOf(
  webhook: WebhookRow,
  attempt: {
    readonly before: DeliveryRow | null;
    readonly after: DeliveryRow | null;
    readonly outcome: MessageOutcome;
  },
  nowMs: number,
): Pick<WebhookRow, "position" | "enabled" | "disabledReason" | "deadInARow" | "deliveredAtMs"> {
  const { position, deadInARow, deliveredAtMs } = webhook;
  const { before, after, outcome } = attempt;
  const same = { position, deliveredAtMs, enabled: true, disabledReason: null, deadInARow };
  if (outcome.error === null) {
    return { ...same, deadInARow: 0, deliveredAtMs: nowMs };
  }
  if (outcome.status === GONE_STATUS) {
    return { ...same, enabled: false, disabledReason: "gone" };
  }
  const died = after?.state === "dead" && before?.state === "retrying";
  if (!died) {
    return same;
  }
  return deadInARow + 1 < DEAD_LETTERS_MAX
    ? { ...same, deadInARow: deadInARow + 1 }
    : { ...same, deadInARow: 0, enabled: false, disabledReason: "dead-letters" };
}

function disabledRecord(
  context: ServiceContext,
  webhook: WebhookRow,
  changed: Pick<WebhookRow, "disabledReason">,
): AuditRecord {
  const data = { origin: new URL(webhook.url).origin, reason: changed.disabledReason ?? "" };
  const event = { type: "webhook.disabled", data } as const;
  return auditRecord(context, SYSTEM_CALLER, event, { subjectId: webhook.id });
}

function patternsOf(webhook: WebhookRow): string[] {
  return JSON.parse(webhook.events) as string[];
}

/** RFC 9110: the receiver is gone for good, and says so. */
const GONE_STATUS = 410;
const WEBHOOKS_AT_ONCE = 8;
/** Events that are read for one message; what a webhook does not want among them is passed over. */
const EVENTS_AT_ONCE = 500;
/** Messages and time of one run for each webhook; what is left is delivered by the next, at once. */
const MESSAGES_MAX = 50;
const RUN_MS_MAX = 20_000;
/** Longer than a run with its last attempt; a run that died gives its webhooks free after it. */
const LEASE_MS = 60_000;
