/** Sessions and their tickets. */
import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { SECOND_VIEWER_RULES } from "#shared/policy/policy.ts";
import { CHANNEL_NAMES } from "#shared/spice/channel-names.ts";
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
  /** The link through which a guest opened it; its user is then who issued the link. */
  shareId: text("share_id"),
  /** Who asked for its end last, and when: a user's id. */
  endRequestedBy: text("end_requested_by"),
  endRequestedAtMs: integer("end_requested_at_ms"),
});

/** One row each time that a channel was opened. */
export const sessionChannels = sqliteTable(
  "session_channels",
  {
    sessionId: text("session_id").notNull(),
    openedAtMs: integer("opened_at_ms").notNull(),
    channel: text({ enum: CHANNEL_NAMES }).notNull(),
    channelId: integer("channel_id").notNull(),
    clientAddress: text("client_address").notNull(),
    /** Null while it is open; with its session it has ended, told or not. */
    closedAtMs: integer("closed_at_ms"),
    closeReason: text("close_reason"),
    clientBytes: integer("client_bytes").notNull().default(0),
    serverBytes: integer("server_bytes").notNull().default(0),
  },
  (table) => [
    primaryKey({ columns: [table.sessionId, table.openedAtMs, table.channel, table.channelId] }),
  ],
);

/** Written by triggers: a row whenever something of a session changes that people look at. */
export const sessionChanges = sqliteTable("session_changes", {
  seq: integer().primaryKey({ autoIncrement: true }),
  sessionId: text("session_id").notNull(),
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
