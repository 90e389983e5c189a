/** Sites: sets of relays that reach the same hypervisors, and whom each falls back on. */
import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** The site of whatever names no other; the migration makes it. */
export const DEFAULT_SITE_ID = "sit_default";

export const sites = sqliteTable("sites", {
  id: text().primaryKey(),
  name: text().notNull().unique(),
  description: text().notNull().default(""),
  createdAtMs: integer("created_at_ms").notNull(),
});

/** In order of `position`, from 1. */
export const siteFallbacks = sqliteTable(
  "site_fallbacks",
  {
    siteId: text("site_id").notNull(),
    position: integer().notNull(),
    fallbackSiteId: text("fallback_site_id").notNull(),
  },
  (table) => [primaryKey({ columns: [table.siteId, table.position] })],
);
