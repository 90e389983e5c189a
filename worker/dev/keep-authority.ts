/**
 * The key of the certificate authority of a control plane on this machine: sealed in the database at
 * the first start, then taken out of the folder, where it would lie open.
 */
import { randomBytes } from "node:crypto";
import { assert } from "#shared/base/assert.ts";
import { parseSecretsKeys } from "../identity/secrets-keys.ts";
import { openDatabase } from "../repositories/database.ts";
import { type AuthorityContext, readAuthority } from "../services/authority-key.ts";
import { operatorSettings } from "../settings.ts";
import type { DatabaseAddress } from "./folder-database.ts";
import { generateAuthority, type Secrets } from "./secrets.ts";
import type { StateFolder } from "./state-folder.ts";

/**
 * The secrets as they lie in the folder from now on. Where neither the database nor the folder has
 * the key, as after a backup of older days was restored, a new authority signs in front of the old
 * one, and relays renew their certificates by themselves.
 * @throws {StartError} when the folder's key is not that of its certificate.
 */
export async function keepAuthority(
  state: StateFolder,
  address: DatabaseAddress,
  secrets: Secrets,
): Promise<Secrets> {
  const read = await readAuthority(contextOf(address, secrets));
  const { CA_KEY, ...others } = secrets;
  if (read.ok) {
    if (CA_KEY !== undefined) {
      state.writeSecrets(others);
    }
    return others;
  }
  if (CA_KEY !== undefined) {
    throw state.damaged(`secrets.json: ${read.error.detail}`);
  }
  if (read.error.code === "authority.key-unreadable") {
    // With the right SECRETS_KEYS it opens again. All that needs it says so; the rest works.
    return secrets;
  }
  return await replaceAuthority(state, address, secrets);
}

async function replaceAuthority(
  state: StateFolder,
  address: DatabaseAddress,
  secrets: Secrets,
): Promise<Secrets> {
  const { CA_CERTIFICATE, CA_KEY } = await generateAuthority(Date.now());
  const trusted = { ...secrets, CA_CERTIFICATE: `${CA_CERTIFICATE}\n${secrets.CA_CERTIFICATE}` };
  // Into the folder first: a start that ends in between goes on with this one.
  state.writeSecrets({ ...trusted, CA_KEY });
  const read = await readAuthority(contextOf(address, { ...trusted, CA_KEY }));
  assert(read.ok, "a key is taken in with the certificate that was made for it");
  state.writeSecrets(trusted);
  console.error(
    "The database has no key of the certificate authority: a new authority was made. " +
      "Relays renew their certificates by themselves.",
  );
  return trusted;
}

function contextOf(address: DatabaseAddress, secrets: Secrets): AuthorityContext {
  return {
    database: openDatabase(address),
    settings: {
      secretsKeys: parseSecretsKeys({ ...operatorSettings(process.env), ...secrets }),
      caCertificate: secrets.CA_CERTIFICATE,
      caKey: secrets.CA_KEY ?? null,
    },
    nowMs: () => Date.now(),
    randomBytes: (length) => Uint8Array.from(randomBytes(length)),
  };
}
