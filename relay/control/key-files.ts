/**
 * The files in which a relay's keys change while it runs. Each change is one file that appears
 * whole, or one that takes another's name, so that whatever moment the machine dies at leaves a
 * folder that can be used.
 *
 *     tls.pem                    a renewed TLS key with its certificate; counts before the pair of enrolment
 *     identity-key.pem           the key by which the relay proves itself
 *     identity-key-next.pem      the key that it is changing to; the control plane may know it
 */
import { createPrivateKey, type KeyObject } from "node:crypto";
import { readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { TlsIdentity } from "../listen/tls-settings.ts";
import { moveFile, reasonOf, writeFileAtomically } from "./state-folder.ts";

export const KEY_FILES = {
  tls: "tls.pem",
  ca: "ca.pem",
  identityKey: "identity-key.pem",
  nextIdentityKey: "identity-key-next.pem",
} as const;

/** What the changes need of a disk; failures are sentences for the operator. */
export interface KeyDisk {
  /** Keeps a renewed pair, and then the authorities that clients trust. */
  storeTls(tls: TlsIdentity, ca: string): Promise<Result<null, string>>;
  /** Keeps a key to change to, in the place of an older one of that kind. */
  storeNextKey(pem: string): Promise<Result<null, string>>;
  /** The key to change to takes the place of the other, which is gone then. */
  promoteNextKey(): Promise<Result<null, string>>;
}

export function openKeyDisk(stateDir: string): KeyDisk {
  const path = (name: string): string => join(stateDir, name);
  return {
    storeTls: async ({ key, cert }, ca) => {
      const stored = await writeFileAtomically(
        path(KEY_FILES.tls),
        `${key.trim()}\n${cert.trim()}\n`,
      );
      return stored.ok ? await writeFileAtomically(path(KEY_FILES.ca), ca) : stored;
    },
    storeNextKey: (pem) => writeFileAtomically(path(KEY_FILES.nextIdentityKey), pem),
    promoteNextKey: () => moveFile(path(KEY_FILES.nextIdentityKey), path(KEY_FILES.identityKey)),
  };
}

/** The renewed pair; null when there is none. */
export async function readRenewedTls(
  stateDir: string,
): Promise<Result<TlsIdentity | null, string>> {
  const text = await readOptional(join(stateDir, KEY_FILES.tls));
  if (!text.ok || text.value === null) {
    return text.ok ? ok(null) : text;
  }
  const [, key = "", cert = ""] =
    /^(-+BEGIN PRIVATE KEY-.*?-END PRIVATE KEY-+)\s+(.*)$/s.exec(text.value) ?? [];
  return ok({ key, cert });
}

/** The key that the relay was changing to; null when there is none, or none that makes sense. */
export async function readNextKey(stateDir: string): Promise<Result<KeyObject | null, string>> {
  const text = await readOptional(join(stateDir, KEY_FILES.nextIdentityKey));
  if (!text.ok || text.value === null) {
    return text.ok ? ok(null) : text;
  }
  try {
    const key = createPrivateKey(text.value);
    return ok(key.asymmetricKeyType === "ed25519" ? key : null);
  } catch {
    return ok(null);
  }
}

/** When the identity key was made, in milliseconds since 1970: its file is never written twice. */
export async function identityKeySinceMs(stateDir: string): Promise<number> {
  try {
    return (await stat(join(stateDir, KEY_FILES.identityKey))).mtimeMs;
  } catch {
    return 0;
  }
}

/** Takes away what belongs to an identity that is being replaced. */
export async function removeChangedKeys(stateDir: string): Promise<void> {
  await rm(join(stateDir, KEY_FILES.tls), { force: true });
  await rm(join(stateDir, KEY_FILES.nextIdentityKey), { force: true });
}

async function readOptional(path: string): Promise<Result<string | null, string>> {
  try {
    return ok(await readFile(path, "utf8"));
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    return isMissing ? ok(null) : fail(`${path} cannot be read: ${reasonOf(error)}.`);
  }
}
