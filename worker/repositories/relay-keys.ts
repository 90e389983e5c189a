/** The keys that belong to one relay: that by which it proves itself, and the epoch of its tickets'. */
import { and, eq } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import type { Database } from "./database.ts";
import type { RelayRow } from "./relays.ts";
import { relays } from "./schema/relays.ts";
import { insertAuditRecords } from "./store-with-audit.ts";

/** Accepts another key beside the present one; false when that has changed meanwhile. */
export async function storeOfferedKey(
  database: Database,
  offer: {
    readonly id: string;
    readonly publicKey: string;
    readonly nextPublicKey: string;
    readonly atMs: number;
  },
  audit: AuditRecord,
): Promise<boolean> {
  const { id, publicKey, nextPublicKey, atMs } = offer;
  return await change(database, { id, publicKey }, { nextPublicKey, nextKeyAtMs: atMs }, audit);
}

/** The offered key takes the place of the other; false when that was not the offered one any more. */
export async function storeUsedKey(
  database: Database,
  relay: { readonly id: string; readonly nextPublicKey: string },
  audit: AuditRecord,
): Promise<boolean> {
  const { nextPublicKey } = relay;
  const changes = { publicKey: nextPublicKey, nextPublicKey: null, nextKeyAtMs: null };
  return await change(database, relay, changes, audit);
}

/** Raises the epoch of the relay's ticket keys; false when it was raised meanwhile. */
export async function storeTicketEpoch(
  database: Database,
  raise: { readonly id: string; readonly from: number; readonly atMs: number },
  audit: AuditRecord,
): Promise<boolean> {
  const { id, from, atMs } = raise;
  const changes = { ticketEpoch: from + 1, ticketEpochAtMs: atMs };
  return await change(database, { id, ticketEpoch: from }, changes, audit);
}

/** Changes the relay that is still as expected, and tells of it; else nothing happens. */
async function change(
  database: Database,
  expected: Pick<RelayRow, "id"> &
    Partial<Pick<RelayRow, "publicKey" | "nextPublicKey" | "ticketEpoch">>,
  changes: Partial<RelayRow>,
  audit: AuditRecord,
): Promise<boolean> {
  const { id, publicKey, nextPublicKey, ticketEpoch } = expected;
  return await database.transaction(async (transaction) => {
    const changed = await transaction
      .update(relays)
      .set(changes)
      .where(
        and(
          eq(relays.id, id),
          publicKey === undefined ? undefined : eq(relays.publicKey, publicKey),
          nextPublicKey === undefined || nextPublicKey === null
            ? undefined
            : eq(relays.nextPublicKey, nextPublicKey),
          ticketEpoch === undefined ? undefined : eq(relays.ticketEpoch, ticketEpoch),
        ),
      )
      .returning({ id: relays.id });
    if (changed.length === 0) {
      return false;
    }
    await insertAuditRecords(transaction, [audit]);
    return true;
  });
}
