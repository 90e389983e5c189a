/** Webhooks, and those of their messages that failed. */
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const webhooks = sqliteTable("webhooks", {
  id: text().primaryKey(),
  url: text().notNull(),
  description: text().notNull(),
  /** Types of events and families of them, as JSON. */
  events: text().notNull(),
  sealedSecret: text("sealed_secret").notNull(),
  /** The one before, which messages are signed with as well for a while. */
  sealedOldSecret: text("sealed_old_secret"),
  oldSecretUntilMs: integer("old_secret_until_ms").notNull().default(0),
  enabled: integer({ mode: "boolean" }).notNull(),
  /** Why it was disabled by itself; null when it was not. */
  disabledReason: text("disabled_reason", { enum: ["dead-letters", "gone"] }),
  /** Events up to this place in the trail are delivered, or in a row of webhook_deliveries. */
  position: integer().notNull(),
  deadInARow: integer("dead_in_a_row").notNull().default(0),
  /** When a message was taken last. */
  deliveredAtMs: integer("delivered_at_ms"),
  /** Until then one run of the job delivers to it, alone. */
  leaseUntilMs: integer("lease_until_ms").notNull().default(0),
  createdAtMs: integer("created_at_ms").notNull(),
});

/** Only messages that failed at least once have a row. */
export const webhookDeliveries = sqliteTable("webhook_deliveries", {
  /** The message's `webhook-id`, the same with every attempt. */
  id: text().primaryKey(),
  webhookId: text("webhook_id").notNull(),
  /** The events between these places of the trail that the webhook wants. */
  firstPosition: integer("first_position").notNull(),
  lastPosition: integer("last_position").notNull(),
  /** `redriving`: dead, and tried again by hand; it holds up no other message. */
  state: text({ enum: ["retrying", "redriving", "dead", "delivered"] }).notNull(),
  attempts: integer().notNull(),
  nextAttemptAtMs: integer("next_attempt_at_ms"),
  createdAtMs: integer("created_at_ms").notNull(),
  attemptedAtMs: integer("attempted_at_ms").notNull(),
  /** The last answer's HTTP status; null when there was none. */
  status: integer(),
  error: text(),
});
