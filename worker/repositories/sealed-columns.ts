/**
 * Which columns hold sealed secrets: the one list of them, so that whatever is sealed can be found,
 * counted and sealed again. A new column of that kind gets a row here before anything is put in it.
 */
import { consoles } from "./schema/consoles.ts";
import { signingKeys } from "./schema/keys.ts";

export const SEALED_COLUMNS = {
  "consoles.sealed_password": { rowId: consoles.id, sealed: consoles.sealedPassword },
  "signing_keys.sealed_private_key": {
    rowId: signingKeys.kid,
    sealed: signingKeys.sealedPrivateKey,
  },
} as const;

/** A column by its table's and its own name; part of what a sealed text is bound to. */
export type SealedColumn = keyof typeof SEALED_COLUMNS;
