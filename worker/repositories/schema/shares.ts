/** Links that open one console for somebody without an account. */
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const shares = sqliteTable("shares", {
  id: text().primaryKey(),
  /** SHA-256 of the link's token. */
  tokenHash: text("token_hash").notNull().unique(),
  consoleId: text("console_id").notNull(),
  issuerId: text("issuer_id").notNull(),
  /** What the issuer wrote to know it again. */
  label: text(),
  /** Rules that make its sessions stricter, as JSON. */
  policy: text(),
  usesMax: integer("uses_max").notNull(),
  usesLeft: integer("uses_left").notNull(),
  createdAtMs: integer("created_at_ms").notNull(),
  expiresAtMs: integer("expires_at_ms").notNull(),
  revokedAtMs: integer("revoked_at_ms"),
});
