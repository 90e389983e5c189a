/** When each job ran last, and which of two that want to run it may. */
import { eq, lte } from "drizzle-orm";
import type { Database } from "./database.ts";
import { jobRuns } from "./schema/jobs.ts";

export type JobRun = typeof jobRuns.$inferSelect;

/** Begins a run unless one began after `lastBeforeMs`; whether it did. */
export async function beginJobRun(
  database: Database,
  run: { readonly name: string; readonly startedAtMs: number; readonly lastBeforeMs: number },
): Promise<boolean> {
  const { name, startedAtMs } = run;
  const begun = await database
    .insert(jobRuns)
    .values({ name, startedAtMs })
    .onConflictDoUpdate({
      target: jobRuns.name,
      set: { startedAtMs },
      setWhere: lte(jobRuns.startedAtMs, run.lastBeforeMs),
    });
  return begun.rowsAffected > 0;
}

export async function recordJobSuccess(
  database: Database,
  run: { readonly name: string; readonly succeededAtMs: number },
): Promise<void> {
  await database
    .update(jobRuns)
    .set({ succeededAtMs: run.succeededAtMs })
    .where(eq(jobRuns.name, run.name));
}

export async function listJobRuns(database: Database): Promise<JobRun[]> {
  return await database.select().from(jobRuns).orderBy(jobRuns.name);
}
