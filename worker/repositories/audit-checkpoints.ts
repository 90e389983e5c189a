/** The signed checkpoints of the audit trail, and the ends of its chains. */
import { and, asc, desc, eq, gt, inArray, lt, lte, sql } from "drizzle-orm";
import type { ChainHead } from "#shared/audit/chain.ts";
import type { AuditRecord } from "#shared/audit/events.ts";
import type { StoredAuditEvent } from "#shared/audit/stored-event.ts";
import { STORED_EVENT } from "./audit-events.ts";
import type { Database } from "./database.ts";
import { auditChains, auditCheckpoints, auditEvents, auditKeyring } from "./schema/audit.ts";
import { storeWithAudit } from "./store-with-audit.ts";

export type CheckpointRow = typeof auditCheckpoints.$inferSelect;

/** Where every chain ends, by writer. */
export async function listHeads(
  database: Database,
  page: { readonly afterWriter: string; readonly limit: number },
): Promise<ChainHead[]> {
  return await database
    .select()
    .from(auditChains)
    .where(gt(auditChains.writer, page.afterWriter))
    .orderBy(auditChains.writer)
    .limit(page.limit);
}

/** The next links of each of these chains, one list a chain; in one round trip. */
export async function readLinksBehind(
  database: Database,
  heads: readonly ChainHead[],
  limit: number,
): Promise<StoredAuditEvent[][]> {
  const [first, ...rest] = heads.map(({ writer, seq }) =>
    database
      .select(STORED_EVENT)
      .from(auditEvents)
      .where(and(eq(auditEvents.writer, writer), gt(auditEvents.seq, seq)))
      .orderBy(auditEvents.seq)
      .limit(limit),
  );
  return first === undefined ? [] : await database.batch([first, ...rest]);
}

/** The newest checkpoint; with a time, the newest that is not younger. */
export async function findNewestCheckpoint(
  database: Database,
  notAfterMs?: number,
): Promise<CheckpointRow | null> {
  const rows = database.select().from(auditCheckpoints);
  const [row] =
    notAfterMs === undefined
      ? await rows.orderBy(desc(auditCheckpoints.number)).limit(1)
      : await rows
          .where(lte(auditCheckpoints.atMs, notAfterMs))
          .orderBy(desc(auditCheckpoints.atMs))
          .limit(1);
  return row ?? null;
}

/** Checkpoints in the order of their numbers. */
export async function listCheckpoints(
  database: Database,
  page: { readonly afterNumber: number; readonly limit: number },
): Promise<CheckpointRow[]> {
  return await database
    .select()
    .from(auditCheckpoints)
    .where(gt(auditCheckpoints.number, page.afterNumber))
    .orderBy(asc(auditCheckpoints.number))
    .limit(page.limit);
}

/**
 * Stores a checkpoint with the keyring that opens it.
 *
 * @throws {Error} a unique violation when there is one of that number already.
 */
export async function insertCheckpoint(
  database: Database,
  made: { readonly row: CheckpointRow; readonly sealedKeyring: string },
  audits: readonly AuditRecord[],
): Promise<void> {
  const { row, sealedKeyring: sealedKeys } = made;
  await storeWithAudit(database, audits, () => [
    database.insert(auditCheckpoints).values(row),
    database
      .insert(auditKeyring)
      .values({ id: KEYRING_ID, sealedKeys })
      .onConflictDoUpdate({ target: auditKeyring.id, set: { sealedKeys } }),
  ]);
}

/** The sealed keyring; null before the first checkpoint. */
export async function findSealedKeyring(database: Database): Promise<string | null> {
  const [row] = await database
    .select({ sealedKeys: auditKeyring.sealedKeys })
    .from(auditKeyring)
    .where(eq(auditKeyring.id, KEYRING_ID))
    .limit(1);
  return row?.sealedKeys ?? null;
}

/**
 * Deletes links up to a place in each of these chains, and up to a place in the trail; a bounded
 * number of each. The value is how many it were.
 */
export async function deleteLinks(
  database: Database,
  cuts: readonly { readonly writer: string; readonly seq: number }[],
  bounds: { readonly limit: number; readonly lastPosition: number },
): Promise<number> {
  const [first, ...rest] = cuts.map(({ writer, seq }) => {
    const oldest = database
      .select({ position: auditEvents.position })
      .from(auditEvents)
      .where(
        and(
          eq(auditEvents.writer, writer),
          lte(auditEvents.seq, seq),
          lte(auditEvents.position, bounds.lastPosition),
        ),
      )
      .orderBy(auditEvents.seq)
      .limit(bounds.limit);
    return database.delete(auditEvents).where(inArray(auditEvents.position, oldest));
  });
  if (first === undefined) {
    return 0;
  }
  const results = await database.batch([first, ...rest]);
  return results.reduce((sum, { rowsAffected }) => sum + rowsAffected, 0);
}

/** Checkpoints that were made in a time, oldest first; without what was signed. */
export async function listCheckpointTimes(
  database: Database,
  range: { readonly fromMs: number; readonly beforeMs: number; readonly limit: number },
): Promise<Pick<CheckpointRow, "number" | "atMs">[]> {
  return await database
    .select({ number: auditCheckpoints.number, atMs: auditCheckpoints.atMs })
    .from(auditCheckpoints)
    .where(
      and(
        sql`${auditCheckpoints.atMs} >= ${range.fromMs}`,
        lt(auditCheckpoints.atMs, range.beforeMs),
      ),
    )
    .orderBy(asc(auditCheckpoints.atMs))
    .limit(range.limit);
}

export async function deleteCheckpoints(
  database: Database,
  numbers: readonly number[],
): Promise<void> {
  await database.delete(auditCheckpoints).where(inArray(auditCheckpoints.number, [...numbers]));
}

const KEYRING_ID = "checkpoints";
