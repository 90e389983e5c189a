/** Where consoles come from, and the consoles. */
import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { DEFAULT_SITE_ID } from "./sites.ts";

export const sources = sqliteTable("sources", {
  id: text().primaryKey(),
  name: text().notNull().unique(),
  kind: text({ enum: ["static"] }).notNull(),
  createdAtMs: integer("created_at_ms").notNull(),
  siteId: text("site_id").notNull().default(DEFAULT_SITE_ID),
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
  /** Its project or namespace in its source. */
  project: text(),
  /** The site whose relays reach it; null: its source's. */
  siteId: text("site_id"),
});

export const consoleTags = sqliteTable(
  "console_tags",
  {
    consoleId: text("console_id").notNull(),
    tag: text().notNull(),
    /** The console's own, kept by a trigger: a tag's consoles are read in the order of lists. */
    name: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.consoleId, table.tag] })],
);
