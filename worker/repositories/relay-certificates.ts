/** The certificates that relays show: those that we signed, and those of their operators' own. */
import { and, asc, eq, isNull, lt } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import type { Database } from "./database.ts";
import { ownCertificates } from "./schema/keys.ts";
import { type RelayRow } from "./relays.ts";
import { relays } from "./schema/relays.ts";
import { insertAuditRecords } from "./store-with-audit.ts";

export type OwnCertificateRow = typeof ownCertificates.$inferSelect;

/** How many certificates were signed for a relay since when. */
export interface RenewalCount {
  readonly renewals: number;
  readonly renewalsSinceMs: number;
}

/** A relay as far as its certificates go, also when it was deleted. */
export async function findCertifiedRelay(
  database: Database,
  id: string,
): Promise<Pick<RelayRow, "id" | "name" | "host" | "renewals" | "renewalsSinceMs"> | null> {
  const [row] = await database
    .select({
      id: relays.id,
      name: relays.name,
      host: relays.host,
      renewals: relays.renewals,
      renewalsSinceMs: relays.renewalsSinceMs,
    })
    .from(relays)
    .where(eq(relays.id, id))
    .limit(1);
  return row ?? null;
}

/** False when another renewal of the relay came first; then nothing is stored. */
export async function storeRenewedCertificate(
  database: Database,
  renewal: {
    readonly before: Pick<RelayRow, "id" | "renewals">;
    readonly certificate: string;
    readonly hostSubject: string;
    readonly certificateEndsAtMs: number;
    readonly count: RenewalCount;
  },
  audit: AuditRecord,
): Promise<boolean> {
  const { before, certificate, hostSubject, certificateEndsAtMs, count } = renewal;
  return await database.transaction(async (transaction) => {
    const changed = await transaction
      .update(relays)
      .set({ certificate, hostSubject, certificateEndsAtMs, ...count })
      .where(and(eq(relays.id, before.id), eq(relays.renewals, before.renewals)))
      .returning({ id: relays.id });
    if (changed.length === 0) {
      return false;
    }
    await insertAuditRecords(transaction, [audit]);
    return true;
  });
}

export async function findOwnCertificate(
  database: Database,
  relayId: string,
): Promise<OwnCertificateRow | null> {
  const [row] = await database
    .select()
    .from(ownCertificates)
    .where(eq(ownCertificates.relayId, relayId))
    .limit(1);
  return row ?? null;
}

/** Puts it in the place of the one before. */
export async function storeOwnCertificate(
  database: Database,
  row: Omit<OwnCertificateRow, "warnedAtMs">,
  audit: AuditRecord,
): Promise<void> {
  await database.transaction(async (transaction) => {
    const set = { ...row, warnedAtMs: null };
    await transaction
      .insert(ownCertificates)
      .values(row)
      .onConflictDoUpdate({ target: ownCertificates.relayId, set });
    await insertAuditRecords(transaction, [audit]);
  });
}

/** Nothing happens, and nothing is audited, when there is none. */
export async function deleteOwnCertificate(
  database: Database,
  relayId: string,
  audit: AuditRecord,
): Promise<void> {
  await database.transaction(async (transaction) => {
    const deleted = await transaction
      .delete(ownCertificates)
      .where(eq(ownCertificates.relayId, relayId))
      .returning({ relayId: ownCertificates.relayId });
    if (deleted.length > 0) {
      await insertAuditRecords(transaction, [audit]);
    }
  });
}

/** Operators' certificates that end before a time, and were not warned of. */
export async function listEndingCertificates(
  database: Database,
  beforeMs: number,
): Promise<Pick<OwnCertificateRow, "relayId" | "endsAtMs">[]> {
  return await database
    .select({ relayId: ownCertificates.relayId, endsAtMs: ownCertificates.endsAtMs })
    .from(ownCertificates)
    .where(and(lt(ownCertificates.endsAtMs, beforeMs), isNull(ownCertificates.warnedAtMs)))
    .orderBy(asc(ownCertificates.endsAtMs))
    .limit(WARNED_AT_ONCE_MAX);
}

/** Nothing happens when it was warned of, or replaced, meanwhile. */
export async function markWarned(
  database: Database,
  warned: Pick<OwnCertificateRow, "relayId" | "endsAtMs"> & { readonly atMs: number },
  audit: AuditRecord,
): Promise<void> {
  const { relayId, endsAtMs, atMs } = warned;
  await database.transaction(async (transaction) => {
    const changed = await transaction
      .update(ownCertificates)
      .set({ warnedAtMs: atMs })
      .where(
        and(
          eq(ownCertificates.relayId, relayId),
          eq(ownCertificates.endsAtMs, endsAtMs),
          isNull(ownCertificates.warnedAtMs),
        ),
      )
      .returning({ relayId: ownCertificates.relayId });
    if (changed.length > 0) {
      await insertAuditRecords(transaction, [audit]);
    }
  });
}

/** More wait for the job's next run. */
const WARNED_AT_ONCE_MAX = 100;
