/** Requests that may be repeated under a key. Each key is one row, made before its request is done. */
import { and, eq, inArray, lte, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import type { Expiry } from "./expired-rows.ts";
import { idempotencyKeys } from "./schema/idempotency.ts";

export type KeyRow = typeof idempotencyKeys.$inferSelect;

/** A key, and the request that holds it. */
export type KeyHolder = Pick<KeyRow, "id" | "attempt">;

/** What a request brings along to hold a key. */
export type NewKey = Omit<KeyRow, "state" | "sealedAnswer">;

/**
 * Reserves the key unless it is taken. Gives the row that has it then, which is the caller's own
 * when `attempt` is; null when the caller has `keysMax` keys already. One round trip.
 */
export async function reserveKey(
  database: Database,
  key: NewKey,
  keysMax: number,
): Promise<KeyRow | null> {
  const { id, caller, startedAtMs } = key;
  const values = [
    ...[id, caller, key.fingerprint, key.attempt, key.requestId, "running"],
    ...[startedAtMs, key.leaseUntilMs, key.expiresAtMs],
  ].map((value) => sql`${value}`);
  const [, , rows] = await database.batch([
    // An expired key that was not swept yet is as good as none.
    database
      .delete(idempotencyKeys)
      .where(and(eq(idempotencyKeys.id, id), lte(idempotencyKeys.expiresAtMs, startedAtMs))),
    database.run(sql`
      INSERT INTO idempotency_keys (id, caller, fingerprint, attempt, request_id, state,
        started_at_ms, lease_until_ms, expires_at_ms)
      SELECT ${sql.join(values, sql`, `)}
      WHERE (SELECT count(*) FROM (SELECT 1 FROM idempotency_keys WHERE caller = ${caller}
        LIMIT ${keysMax})) < ${keysMax}
      ON CONFLICT (id) DO NOTHING`),
    database.select().from(idempotencyKeys).where(eq(idempotencyKeys.id, id)),
  ]);
  return rows[0] ?? null;
}

/** Takes a key over from a request that is presumed dead; false when another one was faster. */
export async function takeKeyOver(
  database: Database,
  from: KeyHolder,
  by: NewKey,
): Promise<boolean> {
  const { attempt, requestId, startedAtMs, leaseUntilMs, expiresAtMs } = by;
  const taken = await database
    .update(idempotencyKeys)
    .set({ attempt, requestId, startedAtMs, leaseUntilMs, expiresAtMs })
    .where(isRunning(from));
  return taken.rowsAffected > 0;
}

/** Keeps the answer for repetitions; null where it is too large to be kept. */
export async function storeAnswer(
  database: Database,
  holder: KeyHolder,
  sealedAnswer: string | null,
): Promise<void> {
  await database
    .update(idempotencyKeys)
    .set({ state: "done", sealedAnswer })
    .where(isRunning(holder));
}

/** Forgets the key of a request that was refused. */
export async function releaseKey(database: Database, holder: KeyHolder): Promise<void> {
  await database.delete(idempotencyKeys).where(isRunning(holder));
}

/** Deletes keys that have expired, at most `limit` of them; how many it were. */
export async function deleteExpiredKeys(database: Database, expiry: Expiry): Promise<number> {
  const expired = database
    .select({ id: idempotencyKeys.id })
    .from(idempotencyKeys)
    .where(lte(idempotencyKeys.expiresAtMs, expiry.untilMs))
    .limit(expiry.limit);
  const deleted = await database
    .delete(idempotencyKeys)
    .where(inArray(idempotencyKeys.id, expired));
  return deleted.rowsAffected;
}

function isRunning(holder: KeyHolder) {
  return and(
    eq(idempotencyKeys.id, holder.id),
    eq(idempotencyKeys.attempt, holder.attempt),
    eq(idempotencyKeys.state, "running"),
  );
}
