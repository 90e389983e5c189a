/** Rows of the audit trail that a version without chains has stored, and their way into one. */
import { eq, isNull, sql } from "drizzle-orm";
import { hashLink, LEGACY_WRITER } from "#shared/audit/chain.ts";
import { readHeads } from "./audit-chains.ts";
import { STORED_EVENT } from "./audit-events.ts";
import type { Database } from "./database.ts";
import { auditChains, auditEvents } from "./schema/audit.ts";

/** How many rows wait, up to `limit`. */
export async function countUnchained(database: Database, limit: number): Promise<number> {
  const rows = await database
    .select({ position: auditEvents.position })
    .from(auditEvents)
    .where(isNull(auditEvents.seq))
    .limit(limit);
  return rows.length;
}

/** Puts the oldest rows without a chain behind the last link. The value is how many it were. */
export async function appendUnchained(database: Database, limit: number): Promise<number> {
  return await database.transaction(async (transaction) => {
    const rows = await transaction
      .select({ ...STORED_EVENT, position: auditEvents.position })
      .from(auditEvents)
      .where(isNull(auditEvents.seq))
      .orderBy(auditEvents.position)
      .limit(limit);
    if (rows.length === 0) {
      return 0;
    }
    const [head] = await readHeads(transaction, [LEGACY_WRITER]);
    let { seq, hash } = head ?? { seq: 0, hash: "" };
    const links: { position: number; seq: number; hash: string }[] = [];
    for (const { position, ...event } of rows) {
      seq += 1;
      hash = await hashLink(hash, { ...event, writer: LEGACY_WRITER, seq });
      links.push({ position, seq, hash });
    }
    const writer = LEGACY_WRITER;
    // All asked at once, so that they share a round trip.
    await Promise.all([
      ...links.map(({ position, ...place }) =>
        transaction
          .update(auditEvents)
          .set({ writer, ...place })
          .where(eq(auditEvents.position, position)),
      ),
      transaction
        .insert(auditChains)
        .values({ writer, seq, hash })
        .onConflictDoUpdate({
          target: auditChains.writer,
          set: { seq: sql`excluded.seq`, hash: sql`excluded.hash` },
        }),
    ]);
    return rows.length;
  });
}
