/**
 * Which columns hold sealed secrets: the one list of them, so that whatever is sealed can be found,
 * counted and sealed again. A new column of that kind gets a row here before anything is put in it.
 * Each is named in its row's sealed texts, so a name never changes.
 */
export const SEALED_COLUMNS = {
  "consoles.sealed_password": { table: "consoles", rowId: "id", sealed: "sealed_password" },
  "signing_keys.sealed_private_key": {
    table: "signing_keys",
    rowId: "kid",
    sealed: "sealed_private_key",
  },
  "authority_keys.sealed_private_key": {
    table: "authority_keys",
    rowId: "id",
    sealed: "sealed_private_key",
  },
  "idempotency_keys.sealed_answer": {
    table: "idempotency_keys",
    rowId: "id",
    sealed: "sealed_answer",
  },
  "audit_keyring.sealed_keys": { table: "audit_keyring", rowId: "id", sealed: "sealed_keys" },
  "webhooks.sealed_secret": { table: "webhooks", rowId: "id", sealed: "sealed_secret" },
  "webhooks.sealed_old_secret": { table: "webhooks", rowId: "id", sealed: "sealed_old_secret" },
} as const satisfies Record<string, SealedColumnNames>;

/** A column by its table's and its own name; part of what a sealed text is bound to. */
export type SealedColumn = keyof typeof SEALED_COLUMNS;

interface SealedColumnNames {
  readonly table: string;
  /** The primary key's one column, which holds text. */
  readonly rowId: string;
  /** Holds the sealed text, or null. */
  readonly sealed: string;
}
