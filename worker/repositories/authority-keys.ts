/** Keys of certificate authorities, sealed: one row for each authority that has signed here. */
import { and, eq } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import type { Database } from "./database.ts";
import { authorityKeys } from "./schema/keys.ts";
import { insertAuditRecords } from "./store-with-audit.ts";

/** Null: that authority's key was never stored. */
export async function findSealedAuthorityKey(
  database: Database,
  id: string,
): Promise<string | null> {
  const [row] = await database
    .select({ sealedPrivateKey: authorityKeys.sealedPrivateKey })
    .from(authorityKeys)
    .where(eq(authorityKeys.id, id));
  return row?.sealedPrivateKey ?? null;
}

/** Stores it in the place of `before`; when somebody else has changed that, nothing is stored. */
export async function storeAuthorityKey(
  database: Database,
  row: typeof authorityKeys.$inferInsert & { readonly before: string | null },
  audit: AuditRecord,
): Promise<void> {
  const { before, ...values } = row;
  await database.transaction(async (transaction) => {
    const stored =
      before === null
        ? await transaction.insert(authorityKeys).values(values).onConflictDoNothing().returning()
        : await transaction
            .update(authorityKeys)
            .set(values)
            .where(and(eq(authorityKeys.id, row.id), eq(authorityKeys.sealedPrivateKey, before)))
            .returning();
    if (stored.length > 0) {
      await insertAuditRecords(transaction, [audit]);
    }
  });
}
