/** The keys that secrets in the database are sealed with, as the settings hold them. */
import { fromBase64Url } from "#shared/base/bytes.ts";
import { SettingError } from "../settings.ts";

export interface SecretsKey {
  /** Stands in what it sealed; never used again for another key. */
  readonly id: string;
  /** 32 bytes. */
  readonly key: Uint8Array<ArrayBuffer>;
}

/** The first one seals, any unseals. */
export type SecretsKeys = readonly [SecretsKey, ...SecretsKey[]];

/**
 * Reads SECRETS_KEYS (`id:key` by comma, the first seals) and SECRETS_KEY (one key without an id,
 * put last as `default`). One of the two is enough.
 *
 * @throws {SettingError} with one sentence that names the setting.
 */
export function parseSecretsKeys(settings: {
  readonly SECRETS_KEYS?: string | undefined;
  readonly SECRETS_KEY?: string | undefined;
}): SecretsKeys {
  const listed = (settings.SECRETS_KEYS ?? "").split(",").map((part) => part.trim());
  const keys = listed.filter((part) => part !== "").map(parseNamed);
  const lone = settings.SECRETS_KEY ?? "";
  const [first, ...others] = lone === "" ? keys : [...keys, parseLone(lone)];
  if (first === undefined) {
    throw new SettingError(
      "The setting SECRETS_KEYS is missing: set it as docs/operate/configure.md tells.",
    );
  }
  if (new Set([first, ...others].map(({ id }) => id)).size <= others.length) {
    throw new SettingError("The setting SECRETS_KEYS must give each key an id of its own.");
  }
  return [first, ...others];
}

function parseNamed(part: string): SecretsKey {
  const [id = "", text = "", ...rest] = part.split(":");
  const key = fromBase64Url(text);
  if (!ID_PATTERN.test(id) || key?.length !== KEY_BYTES || rest.length > 0) {
    throw new SettingError(
      "The setting SECRETS_KEYS must list keys as id:key, separated by commas, each key " +
        `base64url of ${KEY_BYTES} random bytes.`,
    );
  }
  return { id, key };
}

function parseLone(text: string): SecretsKey {
  const key = fromBase64Url(text);
  if (key?.length !== KEY_BYTES) {
    throw new SettingError(
      `The setting SECRETS_KEY must be base64url of ${KEY_BYTES} random bytes.`,
    );
  }
  return { id: LONE_KEY_ID, key };
}

const ID_PATTERN = /^[A-Za-z0-9_-]{1,32}$/;
const LONE_KEY_ID = "default";
const KEY_BYTES = 32;
