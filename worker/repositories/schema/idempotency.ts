/** Requests that may be repeated under a key. */
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const idempotencyKeys = sqliteTable("idempotency_keys", {
  /** SHA-256 of caller and key: two callers may choose the same, and a key may tell something. */
  id: text().primaryKey(),
  /** Who sent it: a user or an API token. */
  caller: text().notNull(),
  /** Of method, address and body, keyed, because a body may hold a password. */
  fingerprint: text().notNull(),
  /** Which of the requests with this key carries it out. */
  attempt: text().notNull(),
  /** That request's id, by which the audit trail tells whether it changed anything. */
  requestId: text("request_id").notNull(),
  /** Whether its answer is known. */
  state: text({ enum: ["running", "done"] }).notNull(),
  /** When its request came. */
  startedAtMs: integer("started_at_ms").notNull(),
  /** Until then a request that is still running is presumed to live. */
  leaseUntilMs: integer("lease_until_ms").notNull(),
  /** From then on the key may be used anew. */
  expiresAtMs: integer("expires_at_ms").notNull(),
  /** Status and body, sealed; null while it runs, and where it was too large. */
  sealedAnswer: text("sealed_answer"),
});
