/** Webhooks and their messages in the API's form. */
import { z } from "@hono/zod-openapi";
import { asksForType, EVENT_PATTERN } from "#shared/audit/event-patterns.ts";
import { AUDIT_EVENT_TYPES } from "#shared/audit/events.ts";
import type { DeliveryView } from "../services/webhook-deliveries.ts";
import type { WebhookView } from "../services/webhooks.ts";
import { formatOptionalTime, formatTime, timeSchema } from "./times.ts";

const PATTERNS_MAX = 32;
const DESCRIPTION_CHARACTERS_MAX = 256;
const URL_CHARACTERS_MAX = 2048;

const asksForSome = (pattern: string): boolean =>
  AUDIT_EVENT_TYPES.some((type) => asksForType([pattern], type));

const eventsSchema = z
  .array(
    z
      .string()
      .max(64)
      .regex(EVENT_PATTERN, {
        error: "must be a type, a family such as session.*, or *",
        abort: true,
      })
      .refine(asksForSome, "asks for no type of event that there is"),
  )
  .min(1)
  .max(PATTERNS_MAX)
  .openapi({ description: "Types, families such as `session.*`, or `*`.", example: ["session.*"] });

const urlSchema = z
  .string()
  .max(URL_CHARACTERS_MAX)
  .openapi({ description: "Where messages are posted: https, and no private address." });

const descriptionSchema = z.string().max(DESCRIPTION_CHARACTERS_MAX);

export const webhookInputSchema = z
  .strictObject({
    url: urlSchema,
    description: descriptionSchema.default(""),
    events: eventsSchema.default(["*"]),
  })
  .openapi("WebhookInput");

export const webhookChangesSchema = z
  .strictObject({
    url: urlSchema.optional(),
    description: descriptionSchema.optional(),
    events: eventsSchema.optional(),
    enabled: z.boolean().optional(),
  })
  .openapi("WebhookChanges");

export const webhookSchema = z
  .object({
    id: z.string(),
    url: z.string(),
    description: z.string(),
    events: z.array(z.string()),
    enabled: z.boolean(),
    disabledReason: z
      .enum(["dead-letters", "gone"])
      .nullable()
      .openapi({ description: "Why it was disabled by itself." }),
    createdAt: timeSchema,
    deliveredAt: timeSchema.nullable().openapi({ description: "When a message was taken last." }),
    eventsBehind: z
      .int()
      .openapi({ description: "Events of the trail that it has not passed yet." }),
  })
  .openapi("Webhook");

export const webhookSecretSchema = z
  .object({
    webhook: webhookSchema,
    secret: z.string().openapi({ description: "What messages are signed with. Shown once." }),
  })
  .openapi("WebhookSecret");

const outcome = {
  status: z.int().nullable().openapi({ description: "The last answer's HTTP status." }),
  error: z.string().nullable().openapi({ description: "Why it was not taken; null: it was." }),
};

export const webhookTestSchema = z.object(outcome).openapi("WebhookTest");

export const deliverySchema = z
  .object({
    id: z.string().openapi({ description: "The message's `webhook-id`." }),
    state: z.enum(["retrying", "redriving", "dead", "delivered"]),
    attempts: z.int(),
    createdAt: timeSchema,
    attemptedAt: timeSchema,
    nextAttemptAt: timeSchema.nullable(),
    ...outcome,
  })
  .openapi("WebhookDelivery");

export function formatWebhook(webhook: WebhookView): z.infer<typeof webhookSchema> {
  const { createdAtMs, deliveredAtMs, events, ...rest } = webhook;
  return {
    ...rest,
    events: [...events],
    createdAt: formatTime(createdAtMs),
    deliveredAt: formatOptionalTime(deliveredAtMs),
  };
}

export function formatDelivery(delivery: DeliveryView): z.infer<typeof deliverySchema> {
  const { id, state, attempts, status, error } = delivery;
  return {
    ...{ id, state, attempts, status, error },
    createdAt: formatTime(delivery.createdAtMs),
    attemptedAt: formatTime(delivery.attemptedAtMs),
    nextAttemptAt: formatOptionalTime(delivery.nextAttemptAtMs),
  };
}
