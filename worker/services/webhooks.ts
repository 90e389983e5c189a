/** Webhooks as those see them who may manage them. Secrets are shown once; addresses never audited. */
import { describeChanges } from "#shared/audit/describe-changes.ts";
import type { AuditEvent } from "#shared/audit/events.ts";
import { newId } from "#shared/base/ids.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import {
  deleteWebhook,
  findNewestPosition,
  findOldestPosition,
  findWebhook,
  insertWebhook,
  listWebhooks,
  updateWebhook,
  type WebhookRow,
} from "../repositories/webhooks.ts";
import { auditRecord } from "./audit-record.ts";
import type { Caller, ServiceContext } from "./context.ts";
import { type FieldFailure, invalidField } from "./field-failure.ts";
import { targetRules } from "./webhook-message.ts";
import { sealWebhookSecret, unsealWebhookSecret } from "./webhook-secrets.ts";
import { newWebhookSecret } from "./webhook-signature.ts";
import { judgeTarget } from "./webhook-targets.ts";

export interface WebhookInput {
  readonly url: string;
  readonly description: string;
  /** Types and families of them (shared/audit/event-patterns.ts). */
  readonly events: readonly string[];
}

export interface WebhookView extends WebhookInput {
  readonly id: string;
  readonly enabled: boolean;
  readonly disabledReason: WebhookRow["disabledReason"];
  readonly createdAtMs: number;
  readonly deliveredAtMs: number | null;
  /** Events of the trail that it has not passed yet, whether it wants them or not. */
  readonly eventsBehind: number;
}

/** The secret is shown here and never again. */
export interface WithSecret {
  readonly webhook: WebhookView;
  readonly secret: string;
}

/** Fails with `request.invalid` for an address that is not allowed, and with `webhook.too-many`. */
export async function createWebhook(
  context: ServiceContext,
  caller: Caller,
  input: WebhookInput,
): Promise<Result<WithSecret, FieldFailure>> {
  const target = judgeTarget(input.url, targetRules(context));
  if (!target.ok) {
    return fail(invalidField("url", target.error));
  }
  if ((await listWebhooks(context.database)).length >= WEBHOOKS_MAX) {
    return fail({ code: "webhook.too-many", detail: `There are ${WEBHOOKS_MAX}.` });
  }
  const id = newId("webhook", context.randomBytes);
  const secret = newWebhookSecret(context.randomBytes);
  const { description } = input;
  const events = [...new Set(input.events)];
  const row = {
    id,
    url: target.value,
    description,
    events: JSON.stringify(events),
    sealedSecret: await sealWebhookSecret(context, { id, kind: "present" }, secret),
    enabled: true,
    createdAtMs: context.nowMs(),
  };
  const data = { origin: originOf(row), events };
  await insertWebhook(
    context.database,
    row,
    record(context, caller, id, {
      type: "webhook.created",
      data,
    }),
  );
  return ok({
    webhook: await view(context, { ...row, disabledReason: null, deliveredAtMs: null }),
    secret,
  });
}

export async function readWebhooks(context: ServiceContext): Promise<WebhookView[]> {
  const rows = await listWebhooks(context.database);
  const newest = await findNewestPosition(context.database);
  return rows.map((row) => viewAt(row, newest));
}

/** Fails with `resource.not-found`. */
export async function readWebhook(
  context: ServiceContext,
  id: string,
): Promise<Result<WebhookView, Failure>> {
  const row = await findWebhook(context.database, id);
  return row === null ? NOT_FOUND : ok(await view(context, row));
}

/** Changes what is given. Enabling goes on where it stopped, with what is still there. */
export async function changeWebhook(
  context: ServiceContext,
  caller: Caller,
  id: string,
  changes: { readonly [Field in keyof WebhookInput]?: WebhookInput[Field] | undefined } & {
    readonly enabled?: boolean | undefined;
  },
): Promise<Result<WebhookView, FieldFailure>> {
  const row = await findWebhook(context.database, id);
  if (row === null) {
    return NOT_FOUND;
  }
  // Also one that it has: what is allowed may have changed since.
  const target = judgeTarget(changes.url ?? row.url, targetRules(context));
  if (!target.ok) {
    return fail(invalidField("url", target.error));
  }
  const { enabled, description } = changes;
  // What is not asked for is left alone.
  const asked = {
    ...(changes.url === undefined ? {} : { url: target.value }),
    ...(description === undefined ? {} : { description }),
    ...(changes.events === undefined
      ? {}
      : { events: JSON.stringify([...new Set(changes.events)]) }),
    ...(enabled === undefined ? {} : { enabled }),
  };
  const oldest = enabled === true ? await findOldestPosition(context.database) : 0;
  const changed = await updateWebhook(context.database, id, (before) => {
    const after = { ...before, ...asked };
    const told = describeChanges(fieldsOf(before), fieldsOf(after), ["url"]);
    if (told.length === 0) {
      return null;
    }
    const origin = originOf(after);
    const updated = { type: "webhook.updated", data: { origin, changes: told } } as const;
    const audits = [record(context, caller, id, updated)];
    if (!after.enabled || before.enabled) {
      return { patch: asked, audits };
    }
    const { position, skipped } = resume(before, oldest);
    const resumed = { type: "webhook.enabled", data: { origin, skipped } } as const;
    return {
      patch: { ...asked, position, deadInARow: 0, disabledReason: null },
      audits: [...audits, record(context, caller, id, resumed)],
    };
  });
  return changed === null ? NOT_FOUND : ok(await view(context, changed));
}

/** Fails with `resource.not-found`. */
export async function removeWebhook(
  context: ServiceContext,
  caller: Caller,
  id: string,
): Promise<Result<null, Failure>> {
  const deleted = await deleteWebhook(context.database, id, (row) => {
    const event = { type: "webhook.deleted", data: { origin: originOf(row) } } as const;
    return record(context, caller, id, event);
  });
  return deleted ? ok(null) : NOT_FOUND;
}

/** A new secret; for a day messages are signed with the old one as well. */
export async function rotateWebhookSecret(
  context: ServiceContext,
  caller: Caller,
  id: string,
): Promise<Result<WithSecret, Failure>> {
  const row = await findWebhook(context.database, id);
  if (row === null) {
    return NOT_FOUND;
  }
  const secret = newWebhookSecret(context.randomBytes);
  const old = await unsealWebhookSecret(context, { id, kind: "present" }, row.sealedSecret);
  const patch = {
    sealedSecret: await sealWebhookSecret(context, { id, kind: "present" }, secret),
    // One that cannot be read could not sign either.
    sealedOldSecret:
      old === null ? null : await sealWebhookSecret(context, { id, kind: "old" }, old),
    oldSecretUntilMs: context.nowMs() + OLD_SECRET_MS,
  };
  const rotated = await updateWebhook(context.database, id, (before) => {
    const event = { type: "webhook.secret-rotated", data: { origin: originOf(before) } } as const;
    return { patch, audits: [record(context, caller, id, event)] };
  });
  return rotated === null ? NOT_FOUND : ok({ webhook: await view(context, rotated), secret });
}

/**
 * Where a webhook that was disabled goes on, and how much of what it missed is not there any more.
 *
 * @param oldest the first place of the trail that holds an event.
 */
function resume(
  row: WebhookRow,
  oldest: number,
): { readonly position: number; readonly skipped: number } {
  const skipped = Math.max(0, oldest - 1 - row.position);
  return { position: row.position + skipped, skipped };
}

function record(context: ServiceContext, caller: Caller, id: string, event: AuditEvent) {
  return auditRecord(context, caller, event, { subjectId: id });
}

/** The rest of the address may be a credential, as many services give it out. */
export function originOf({ url }: Pick<WebhookRow, "url">): string {
  return new URL(url).origin;
}

function fieldsOf(row: Pick<WebhookRow, "url" | "description" | "events" | "enabled">) {
  const { url, description, enabled } = row;
  return { url, description, events: JSON.parse(row.events) as string[], enabled };
}

async function view(
  context: ServiceContext,
  row: Omit<Parameters<typeof viewAt>[0], "position"> & { readonly position?: number },
): Promise<WebhookView> {
  const newest = await findNewestPosition(context.database);
  return viewAt({ ...row, position: row.position ?? newest }, newest);
}

function viewAt(
  row: Pick<
    WebhookRow,
    | "id"
    | "url"
    | "description"
    | "events"
    | "enabled"
    | "disabledReason"
    | "createdAtMs"
    | "deliveredAtMs"
    | "position"
  >,
  newest: number,
): WebhookView {
  const { id, disabledReason, createdAtMs, deliveredAtMs, position } = row;
  const eventsBehind = Math.max(0, newest - position);
  return { id, ...fieldsOf(row), disabledReason, createdAtMs, deliveredAtMs, eventsBehind };
}

const NOT_FOUND = fail({ code: "resource.not-found", detail: "" } as const);
/** Each follows the whole trail. */
const WEBHOOKS_MAX = 50;
/** Time to tell the receiver the new secret. */
const OLD_SECRET_MS = 24 * 60 * 60_000;
