/** Sessions and their tickets. */
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { SECOND_VIEWER_RULES } from "#shared/policy/policy.ts";
import { WAYS } from "#shared/ticket/way.ts";

export const sessions = sqliteTable("sessions", {
  id: text().primaryKey(),
  consoleId: text("console_id").notNull(),
  userId: text("user_id").notNull(),
  relayId: text("relay_id"),
  state: text({ enum: ["pending", "active", "ended"] }).notNull(),
  createdAtMs: integer("created_at_ms").notNull(),
  openedAtMs: integer("opened_at_ms"),
  endedAtMs: integer("ended_at_ms"),
  endReason: text("end_reason"),
  endDetail: text("end_detail"),
  clientAddress: text("client_address"),
  clientBytes: integer("client_bytes").notNull().default(0),
  serverBytes: integer("server_bytes").notNull().default(0),
  /** What its policy says about a second viewer. */
  secondViewer: text("second_viewer", { enum: SECOND_VIEWER_RULES }).notNull().default("refuse"),
  /** The session that has its console instead: its relay is told to end this one. */
  yieldsTo: text("yields_to"),
  /** Why its relay refused its main channel last, or why it had to end as soon as it was open. */
  refusedCode: text("refused_code"),
});

export const tickets = sqliteTable("tickets", {
  sessionId: text("session_id").primaryKey(),
  relayId: text("relay_id").notNull(),
  /** With the epoch and the expiry enough to mint the ticket again, given the root key. */
  ticketId: text("ticket_id").notNull(),
  ticketEpoch: integer("ticket_epoch").notNull(),
  ticketHash: text("ticket_hash").notNull().unique(),
  expiresAtMs: integer("expires_at_ms").notNull(),
  /** How the client reaches the relay. */
  way: text({ enum: WAYS }).notNull().default("tls"),
  vvTokenHash: text("vv_token_hash").notNull().unique(),
  vvFetchedAtMs: integer("vv_fetched_at_ms"),
  /** When its session opened; a ticket opens one session. */
  consumedAtMs: integer("consumed_at_ms"),
  withdrawnAtMs: integer("withdrawn_at_ms"),
  grantId: text("grant_id").notNull(),
  grantJws: text("grant_jws").notNull(),
});
