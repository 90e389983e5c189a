/** Denials (shared/control/denials.ts): one row a subject, its newest. */
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { DENIAL_SUBJECTS } from "#shared/control/denials.ts";

export const denials = sqliteTable("denials", {
  /** Grows with each denial, also with one that replaces an older row of its subject. */
  revision: integer().primaryKey({ autoIncrement: true }),
  subject: text({ enum: DENIAL_SUBJECTS }).notNull(),
  subjectId: text("subject_id").notNull(),
  atMs: integer("at_ms").notNull(),
  untilMs: integer("until_ms").notNull(),
  /** When every relay that it concerns had been told; null: it is still to be told. */
  announcedAtMs: integer("announced_at_ms"),
});
