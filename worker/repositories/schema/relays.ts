/** Relays, how they join, and how far their events are stored. */
import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const joinTokens = sqliteTable("join_tokens", {
  id: text().primaryKey(),
  tokenHash: text("token_hash").notNull().unique(),
  createdBy: text("created_by").notNull(),
  createdAtMs: integer("created_at_ms").notNull(),
  expiresAtMs: integer("expires_at_ms").notNull(),
  usedAtMs: integer("used_at_ms"),
  relayId: text("relay_id"),
});

export const relays = sqliteTable("relays", {
  id: text().primaryKey(),
  name: text().notNull().unique(),
  /** The relay's Ed25519 public key: the `x` of its JWK. */
  publicKey: text("public_key").notNull(),
  /** Where SPICE clients reach it. */
  host: text().notNull(),
  tlsPort: integer("tls_port").notNull(),
  /** Where it takes HTTP CONNECT. */
  connectPort: integer("connect_port"),
  certificate: text().notNull(),
  /** The certificate's subject in a .vv file's notation. */
  hostSubject: text("host_subject").notNull(),
  ticketEpoch: integer("ticket_epoch").notNull(),
  state: text({ enum: ["offline", "online"] }).notNull(),
  /** Whether it takes no new sessions; as it said last. */
  draining: integer({ mode: "boolean" }).notNull().default(false),
  /** What it can keep of a policy (shared/policy/enforcement.ts), as a JSON list. */
  enforces: text().notNull().default("[]"),
  build: text(),
  channelsMax: integer("channels_max"),
  lastSeenAtMs: integer("last_seen_at_ms"),
  enrolledAtMs: integer("enrolled_at_ms").notNull(),
});

/** How far each relay's stream of events has been stored. */
export const relayStreams = sqliteTable(
  "relay_streams",
  {
    relayId: text("relay_id").notNull(),
    stream: text().notNull(),
    storedSeq: integer("stored_seq").notNull(),
  },
  (table) => [primaryKey({ columns: [table.relayId, table.stream] })],
);
