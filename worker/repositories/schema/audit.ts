/** The audit trail. */
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const auditEvents = sqliteTable("audit_events", {
  id: text().primaryKey(),
  atMs: integer("at_ms").notNull(),
  type: text().notNull(),
  actorKind: text("actor_kind").notNull(),
  actorId: text("actor_id"),
  address: text(),
  requestId: text("request_id"),
  consoleId: text("console_id"),
  sessionId: text("session_id"),
  relayId: text("relay_id"),
  /** The event's data as JSON. */
  data: text().notNull(),
});
