/**
 * The tables as drizzle sees them. The migrations are the truth; a test compares the two. Times are
 * milliseconds since 1970; credentials are kept as hashes and secrets sealed, never in clear.
 */
import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { SECOND_VIEWER_RULES } from "#shared/policy/policy.ts";
import { WAYS } from "#shared/ticket/way.ts";

export const users = sqliteTable("users", {
  id: text().primaryKey(),
  username: text().notNull().unique(),
  /** scrypt parameters, salt and hash in one string. */
  passwordHash: text("password_hash").notNull(),
  role: text({ enum: ["admin", "user"] }).notNull(),
  createdAtMs: integer("created_at_ms").notNull(),
});

export const logins = sqliteTable("logins", {
  id: text().primaryKey(),
  userId: text("user_id").notNull(),
  /** SHA-256 of the bearer token or cookie. */
  tokenHash: text("token_hash").notNull().unique(),
  createdAtMs: integer("created_at_ms").notNull(),
  expiresAtMs: integer("expires_at_ms").notNull(),
});

export const sources = sqliteTable("sources", {
  id: text().primaryKey(),
  name: text().notNull().unique(),
  kind: text({ enum: ["static"] }).notNull(),
  createdAtMs: integer("created_at_ms").notNull(),
});

export const consoles = sqliteTable("consoles", {
  id: text().primaryKey(),
  sourceId: text("source_id").notNull(),
  uuid: text().notNull(),
  name: text().notNull(),
  host: text().notNull(),
  port: integer(),
  tlsPort: integer("tls_port"),
  ca: text(),
  hostSubject: text("host_subject"),
  /** The hypervisor's SPICE password, sealed with the control plane's secrets key. */
  sealedPassword: text("sealed_password"),
  /** `http://host:port` of the HTTP proxy before it. */
  proxy: text(),
  /** The rules of its own policy, as JSON. */
  policy: text(),
  createdAtMs: integer("created_at_ms").notNull(),
  deletedAtMs: integer("deleted_at_ms"),
});

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
