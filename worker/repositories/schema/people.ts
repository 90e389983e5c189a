/** People and their logins. */
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { ROLES } from "../../identity/permissions.ts";

export const users = sqliteTable("users", {
  id: text().primaryKey(),
  username: text().notNull().unique(),
  /** scrypt parameters, salt and hash in one string. */
  passwordHash: text("password_hash").notNull(),
  role: text({ enum: ROLES }).notNull(),
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
