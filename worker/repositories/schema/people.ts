/** People, their groups, and the credentials that they act with. */
import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { ROLES } from "../../identity/permissions.ts";

export const users = sqliteTable("users", {
  id: text().primaryKey(),
  username: text().notNull().unique(),
  /** scrypt parameters, salt and hash in one string; null: nobody logs in by a password. */
  passwordHash: text("password_hash"),
  role: text({ enum: ROLES }).notNull(),
  createdAtMs: integer("created_at_ms").notNull(),
  displayName: text("display_name"),
  email: text(),
  /** `local`, or the name of the provider that the person comes through. */
  origin: text().notNull().default("local"),
  disabledAtMs: integer("disabled_at_ms"),
  /** Sessions and the audit trail still point here; nothing else is left of the person. */
  deletedAtMs: integer("deleted_at_ms"),
  lastLoginAtMs: integer("last_login_at_ms"),
});

export const groups = sqliteTable("groups", {
  id: text().primaryKey(),
  name: text().notNull().unique(),
  description: text(),
  createdAtMs: integer("created_at_ms").notNull(),
});

export const groupMembers = sqliteTable(
  "group_members",
  {
    groupId: text("group_id").notNull(),
    userId: text("user_id").notNull(),
    /** `local`: put there by an admin; else the provider that says so at each login. */
    origin: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.groupId, table.userId, table.origin] })],
);

/** Whom a provider's subject is here. */
export const identities = sqliteTable(
  "identities",
  {
    provider: text().notNull(),
    subject: text().notNull(),
    userId: text("user_id").notNull(),
    createdAtMs: integer("created_at_ms").notNull(),
  },
  (table) => [primaryKey({ columns: [table.provider, table.subject] })],
);

export const logins = sqliteTable("logins", {
  id: text().primaryKey(),
  userId: text("user_id").notNull(),
  /** SHA-256 of the bearer token or cookie. */
  tokenHash: text("token_hash").notNull().unique(),
  createdAtMs: integer("created_at_ms").notNull(),
  expiresAtMs: integer("expires_at_ms").notNull(),
  /** How the person proved who they are: `password`, `oidc:<name>`, … */
  method: text().notNull().default("password"),
  address: text(),
  userAgent: text("user_agent"),
  /** Written at most once a minute. */
  lastUsedAtMs: integer("last_used_at_ms"),
});

export const apiTokens = sqliteTable("api_tokens", {
  id: text().primaryKey(),
  userId: text("user_id").notNull(),
  name: text().notNull(),
  /** SHA-256 of the token. */
  tokenHash: text("token_hash").notNull().unique(),
  /** Permissions, as a JSON list. */
  scopes: text().notNull(),
  createdAtMs: integer("created_at_ms").notNull(),
  expiresAtMs: integer("expires_at_ms").notNull(),
  lastUsedAtMs: integer("last_used_at_ms"),
  lastUsedAddress: text("last_used_address"),
  /** Where it was used within the hour and the audit trail says so, as a bounded JSON list. */
  recentUses: text("recent_uses").notNull().default("[]"),
  revokedAtMs: integer("revoked_at_ms"),
});
