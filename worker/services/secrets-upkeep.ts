/**
 * Changing the key that secrets are sealed with: seals them again, a batch at a time, and counts
 * them by key, so that an operator knows when nothing needs the older key any more. May be broken
 * off, begun anew and run twice at once: what is done stays done, and a row that changes meanwhile
 * is left alone.
 */
import { z } from "zod";
import { assert } from "#shared/base/assert.ts";
import { fromBase64Url, toBase64Url, utf8 } from "#shared/base/bytes.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import {
  countSealed,
  listSealedOtherwise,
  replaceSealed,
  SEALED_COLUMN_NAMES,
} from "../repositories/sealed-secrets.ts";
import type { SealedColumn } from "../repositories/sealed-columns.ts";
import { auditRecord } from "./audit-record.ts";
import type { Caller, ServiceContext } from "./context.ts";
import { type FieldFailure, invalidField } from "./field-failure.ts";
import { keyIdOf, type SecretPlace, sealedPrefix, sealSecret, unsealSecret } from "./secrets.ts";

export interface ReencryptedBatch {
  readonly reencrypted: number;
  /** Left as they are: no key in the settings opens them. */
  readonly unreadable: SecretPlace[];
  /** Where to go on; null when all columns were worked through. */
  readonly nextCursor: string | null;
}

export interface SecretCounts {
  readonly currentKeyId: string;
  /** A key's id is empty for texts that were sealed before keys had ids. */
  readonly counts: { readonly column: string; readonly keyId: string; readonly count: number }[];
}

type Upkeep = Pick<ServiceContext, "database" | "nowMs" | "randomBytes"> & {
  readonly settings: Pick<ServiceContext["settings"], "secretsKeys">;
};

/** Works through one batch. Fails with `request.invalid` when the cursor is none of ours. */
export async function reencryptSecrets(
  context: Upkeep,
  caller: Caller,
  cursor: string | null,
): Promise<Result<ReencryptedBatch, FieldFailure>> {
  const position = cursor === null ? FIRST_POSITION : readCursor(cursor);
  if (position === null) {
    return fail(invalidField("cursor", "must be the nextCursor of a batch before"));
  }
  const { column, afterRowId } = position;
  const rows = await listSealedOtherwise(context.database, {
    ...{ column, afterRowId, limit: BATCH_ROWS },
    prefix: sealedPrefix(context),
  });
  const unreadable: SecretPlace[] = [];
  const replacements: { rowId: string; before: string; sealed: string }[] = [];
  for (const { rowId, sealed: before } of rows) {
    const place = { column, rowId };
    const text = await unsealSecret(context, place, before);
    if (text === null) {
      unreadable.push(place);
    } else {
      replacements.push({ rowId, before, sealed: await sealSecret(context, place, text) });
    }
  }
  const reencrypted = await replaceSealed(context.database, column, replacements, (count) => {
    const [{ id: keyId }] = context.settings.secretsKeys;
    const event = { type: "secrets.reencrypted", data: { column, keyId, count } } as const;
    return auditRecord(context, caller, event);
  });
  const nextCursor = writeCursor(nextPosition(column, rows));
  return ok({ reencrypted, unreadable, nextCursor });
}

/** Reads every sealed column once; meant for an operator, not for a page that refreshes. */
export async function countSecrets(context: Upkeep): Promise<SecretCounts> {
  const counts: SecretCounts["counts"] = [];
  for (const column of SEALED_COLUMN_NAMES) {
    for (const { prefix, count } of await countSealed(context.database, column)) {
      counts.push({ column, keyId: keyIdOf(prefix), count });
    }
  }
  return { currentKeyId: context.settings.secretsKeys[0].id, counts };
}

interface Position {
  readonly column: SealedColumn;
  readonly afterRowId: string;
}

/** The same column until a batch was not full, then the next one. */
function nextPosition(
  column: SealedColumn,
  rows: readonly { readonly rowId: string }[],
): Position | null {
  const last = rows.at(-1);
  if (rows.length === BATCH_ROWS && last !== undefined) {
    return { column, afterRowId: last.rowId };
  }
  const next = SEALED_COLUMN_NAMES[SEALED_COLUMN_NAMES.indexOf(column) + 1];
  return next === undefined ? null : { column: next, afterRowId: "" };
}

function writeCursor(position: Position | null): string | null {
  return position === null ? null : toBase64Url(utf8(JSON.stringify(position)));
}

function readCursor(text: string): Position | null {
  try {
    const bytes = fromBase64Url(text);
    const parsed = positionSchema.safeParse(
      bytes === null ? null : JSON.parse(new TextDecoder().decode(bytes)),
    );
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

function firstPosition(): Position {
  const [column] = SEALED_COLUMN_NAMES;
  assert(column !== undefined, "there are sealed columns");
  return { column, afterRowId: "" };
}

const positionSchema = z.object({ column: z.enum(SEALED_COLUMN_NAMES), afterRowId: z.string() });
const FIRST_POSITION = firstPosition();
/** Opening and sealing one takes well below a millisecond; the transaction stays short. */
const BATCH_ROWS = 100;
