/** The audit trail: its events, the ends of its chains, and the checkpoints that are signed. */
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const auditEvents = sqliteTable("audit_events", {
  /** The order in which events were stored; never given out twice. */
  position: integer().primaryKey({ autoIncrement: true }),
  id: text().notNull().unique(),
  atMs: integer("at_ms").notNull(),
  type: text().notNull(),
  actorKind: text("actor_kind").notNull(),
  actorId: text("actor_id"),
  address: text(),
  requestId: text("request_id"),
  consoleId: text("console_id"),
  sessionId: text("session_id"),
  relayId: text("relay_id"),
  /** What else it is about: a user, a token, a policy, … */
  subjectId: text("subject_id"),
  /** The event's data as JSON. */
  data: text().notNull(),
  /** Its chain (shared/audit/chain.ts). The default and the nulls are for rows of older versions. */
  writer: text().notNull().default("legacy"),
  seq: integer(),
  hash: text(),
});

/** Where each chain ends. */
export const auditChains = sqliteTable("audit_chains", {
  writer: text().primaryKey(),
  seq: integer().notNull(),
  hash: text().notNull(),
});

/** One row (services/audit-keyring.ts). */
export const auditKeyring = sqliteTable("audit_keyring", {
  id: text().primaryKey(),
  /** The keys that checkpoints are signed with, sealed. */
  sealedKeys: text("sealed_keys").notNull(),
});

export const auditCheckpoints = sqliteTable("audit_checkpoints", {
  number: integer().primaryKey({ autoIncrement: true }),
  atMs: integer("at_ms").notNull(),
  /** The signed text (shared/audit/checkpoint.ts). */
  jws: text().notNull(),
});
