/**
 * The keys that sign grants. A rotation is one transaction that begins by retiring the key which
 * it was planned on: of two that race, the second finds it retired and changes nothing.
 */
import { and, desc, eq } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import type { Database } from "./database.ts";
import { signingKeys } from "./schema/keys.ts";
import { insertAuditRecords, storeWithAudit } from "./store-with-audit.ts";

export type SigningKeyRow = typeof signingKeys.$inferSelect;
export type NewSigningKeyRow = typeof signingKeys.$inferInsert;

/** The newest keys, newest first: those in use are always among them. */
export async function listNewestSigningKeys(database: Database): Promise<SigningKeyRow[]> {
  return await database
    .select()
    .from(signingKeys)
    .orderBy(desc(signingKeys.createdAtMs), desc(signingKeys.kid))
    .limit(KEYS_LISTED);
}

/** @throws {Error} a unique violation when there is a key of that state (see database-errors.ts). */
export async function insertSigningKeys(
  database: Database,
  rows: readonly NewSigningKeyRow[],
  audits: readonly AuditRecord[],
): Promise<void> {
  await storeWithAudit(database, audits, () =>
    rows.map((row) => database.insert(signingKeys).values(row)),
  );
}

/** What becomes of which key. */
export interface SigningKeyChanges {
  /** The key that signs until then; the rotation is void when it does not any more. */
  readonly retire: {
    readonly kid: string;
    readonly atMs: number;
    readonly verifiesUntilMs: number;
  };
  /** The key that comes next until then, and whether it signs from now on or goes too. */
  readonly next: { readonly kid: string; readonly becomes: "active" | "retired" } | null;
  readonly insert: readonly NewSigningKeyRow[];
}

/** False when another rotation came first; then nothing is stored. */
export async function storeRotation(
  database: Database,
  changes: SigningKeyChanges,
  audits: readonly AuditRecord[],
): Promise<boolean> {
  const { retire, next, insert } = changes;
  const { atMs } = retire;
  const gone = { state: "retired", retiredAtMs: atMs, sealedPrivateKey: null } as const;
  return await database.transaction(async (transaction) => {
    const retired = await transaction
      .update(signingKeys)
      .set({ ...gone, verifiesUntilMs: retire.verifiesUntilMs })
      .where(and(eq(signingKeys.kid, retire.kid), eq(signingKeys.state, "active")))
      .returning({ kid: signingKeys.kid });
    if (retired.length === 0) {
      return false;
    }
    if (next !== null) {
      const become =
        next.becomes === "active"
          ? { state: next.becomes, activatedAtMs: atMs }
          : { ...gone, verifiesUntilMs: atMs };
      await transaction
        .update(signingKeys)
        .set(become)
        .where(and(eq(signingKeys.kid, next.kid), eq(signingKeys.state, "next")));
    }
    for (const row of insert) {
      await transaction.insert(signingKeys).values(row);
    }
    await insertAuditRecords(transaction, audits);
    return true;
  });
}

/** The public half of one key, whatever its state. */
export async function findPublicKey(database: Database, kid: string): Promise<string | null> {
  const [row] = await database
    .select({ publicKey: signingKeys.publicKey })
    .from(signingKeys)
    .where(eq(signingKeys.kid, kid))
    .limit(1);
  return row?.publicKey ?? null;
}

/** More than are in use and were in use lately; older ones are in the audit trail. */
const KEYS_LISTED = 32;
