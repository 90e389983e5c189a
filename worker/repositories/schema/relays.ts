/** Relays, how they join, and how far their events are stored. */
import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { DEFAULT_SITE_ID } from "./sites.ts";

export const joinTokens = sqliteTable("join_tokens", {
  id: text().primaryKey(),
  tokenHash: text("token_hash").notNull().unique(),
  createdBy: text("created_by").notNull(),
  createdAtMs: integer("created_at_ms").notNull(),
  expiresAtMs: integer("expires_at_ms").notNull(),
  usedAtMs: integer("used_at_ms"),
  relayId: text("relay_id"),
  /** The name that the relay must have; null: any. */
  name: text(),
  /** The site that the relay will belong to; null: the default site. */
  siteId: text("site_id"),
  revokedAtMs: integer("revoked_at_ms"),
});

export const relays = sqliteTable("relays", {
  id: text().primaryKey(),
  name: text().notNull().unique(),
  /** The relay's Ed25519 public key: the `x` of its JWK. */
  publicKey: text("public_key").notNull(),
  /** The key that it offered to change to, and when; it may use either. */
  nextPublicKey: text("next_public_key"),
  nextKeyAtMs: integer("next_key_at_ms"),
  /** Where SPICE clients reach it. */
  host: text().notNull(),
  tlsPort: integer("tls_port").notNull(),
  /** Where it takes HTTP CONNECT. */
  connectPort: integer("connect_port"),
  certificate: text().notNull(),
  /** Null: not known. */
  certificateEndsAtMs: integer("certificate_ends_at_ms"),
  /** Certificates signed for it since then, for the bound on them. */
  renewals: integer().notNull().default(0),
  renewalsSinceMs: integer("renewals_since_ms"),
  /** The certificate's subject in a .vv file's notation. */
  hostSubject: text("host_subject").notNull(),
  ticketEpoch: integer("ticket_epoch").notNull(),
  /** Since when; null: since the relay was enrolled. */
  ticketEpochAtMs: integer("ticket_epoch_at_ms"),
  state: text({ enum: ["offline", "online"] }).notNull(),
  /** Whether it takes no new sessions; as it said last. */
  draining: integer({ mode: "boolean" }).notNull().default(false),
  /** What it can keep of a policy (shared/policy/enforcement.ts), as a JSON list. */
  enforces: text().notNull().default("[]"),
  build: text(),
  channelsMax: integer("channels_max"),
  lastSeenAtMs: integer("last_seen_at_ms"),
  enrolledAtMs: integer("enrolled_at_ms").notNull(),
  siteId: text("site_id").notNull().default(DEFAULT_SITE_ID),
  /** Its link is refused, and it gets no sessions. */
  disabledAtMs: integer("disabled_at_ms"),
  /** Its identity is void for ever; the row stays for what points to it. */
  deletedAtMs: integer("deleted_at_ms"),
  /** Whether the control plane drains it, whatever its operator does. */
  drainOrdered: integer("drain_ordered", { mode: "boolean" }).notNull().default(false),
  /** When that drain ends living sessions; null: it does not. */
  drainEndsAtMs: integer("drain_ends_at_ms"),
  /** The version of the contract that its last welcome agreed on. */
  controlVersion: integer("control_version"),
  /** How far its clock was ahead of ours as it came; null: it did not say. */
  clockSkewMs: integer("clock_skew_ms"),
  /** Its load (shared/control/load.ts) when its level changed last, as JSON. */
  load: text(),
  loadLevel: integer("load_level"),
  isFull: integer("is_full", { mode: "boolean" }).notNull().default(false),
  loadAtMs: integer("load_at_ms"),
  /** The last refusals and losses, the oldest first, as JSON. */
  lastErrors: text("last_errors").notNull().default("[]"),
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
