/** Named policies, and what they apply to. */
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { ATTACHED_KINDS } from "#shared/policy/policy.ts";

export const policies = sqliteTable("policies", {
  id: text().primaryKey(),
  name: text().notNull().unique(),
  description: text().notNull().default(""),
  /** A PartialPolicy as JSON. */
  rules: text().notNull(),
  createdAtMs: integer("created_at_ms").notNull(),
  changedAtMs: integer("changed_at_ms").notNull(),
});

export const policyAttachments = sqliteTable("policy_attachments", {
  id: text().primaryKey(),
  policyId: text("policy_id").notNull(),
  kind: text({ enum: ATTACHED_KINDS }).notNull(),
  /** The id of one of that kind, or `everyone`. */
  subjectId: text("subject_id").notNull(),
  createdAtMs: integer("created_at_ms").notNull(),
});
