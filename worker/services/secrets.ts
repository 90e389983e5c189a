/**
 * Secrets at rest: sealed with a key from the settings, named in the sealed text, and bound to the
 * row that they are kept in, so that a text that was copied to another row cannot be read there.
 *
 *     v2. <id of the key> . <as shared/ticket/seal.ts writes it, associated with column and row>
 *
 * A text that begins with `v1.` was sealed before keys had ids: with any of the keys, for any row.
 */
import { utf8 } from "#shared/base/bytes.ts";
import { seal, unseal } from "#shared/ticket/seal.ts";
import type { SealedColumn } from "../repositories/sealed-columns.ts";
import type { ServiceContext } from "./context.ts";

/** Where a secret is kept. */
export interface SecretPlace {
  readonly column: SealedColumn;
  /** The row's primary key. */
  readonly rowId: string;
}

/** The text to store at that place; good for nothing at any other. */
export async function sealSecret(
  context: Pick<ServiceContext, "randomBytes"> & WithKeys,
  place: SecretPlace,
  text: string,
): Promise<string> {
  const [{ key }] = context.settings.secretsKeys;
  return (
    sealedPrefix(context) + (await seal(key, text, context.randomBytes, associatedWith(place)))
  );
}

/**
 * The secret, or null when it was altered, moved, or sealed with a key that the settings do not
 * hold. The id in the text says which key to try first; a key that got another id still opens it.
 */
export async function unsealSecret(
  context: WithKeys,
  place: SecretPlace,
  sealed: string,
): Promise<string | null> {
  const { secretsKeys } = context.settings;
  const keyed = KEYED_PATTERN.exec(sealed)?.groups;
  const text = keyed?.["text"] ?? sealed;
  const associated = keyed === undefined ? undefined : associatedWith(place);
  const named = secretsKeys.filter(({ id }) => id === keyed?.["id"]);
  const others = secretsKeys.filter(({ id }) => id !== keyed?.["id"]);
  for (const { key } of [...named, ...others]) {
    const plain = await unseal(key, text, associated);
    if (plain !== null) {
      return plain;
    }
  }
  return null;
}

/** How texts begin that were sealed with the current key. */
export function sealedPrefix(context: WithKeys): string {
  return `${KEYED}${context.settings.secretsKeys[0].id}.`;
}

/** The id of the key that sealed the text; empty when it names none. */
export function keyIdOf(sealed: string): string {
  return /^v2\.([A-Za-z0-9_-]{1,32})\./.exec(sealed)?.[1] ?? "";
}

interface WithKeys {
  readonly settings: Pick<ServiceContext["settings"], "secretsKeys">;
}

/** Column names and row ids hold no line end, so that no two places share a text. */
function associatedWith({ column, rowId }: SecretPlace): Uint8Array<ArrayBuffer> {
  return utf8(`kerbside secret\n${column}\n${rowId}`);
}

const KEYED = "v2.";
const KEYED_PATTERN = /^v2\.(?<id>[A-Za-z0-9_-]{1,32})\.(?<text>.*)$/s;
