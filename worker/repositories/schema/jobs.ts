/** When each job ran last. */
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const jobRuns = sqliteTable("job_runs", {
  name: text().primaryKey(),
  startedAtMs: integer("started_at_ms").notNull(),
  succeededAtMs: integer("succeeded_at_ms"),
});
