/**
 * Signs the audit trail's checkpoints and opens them again. The only place that knows with which
 * key: the one that signs grants. Public halves are kept for good, so that old checkpoints can be
 * opened. A checkpoint's type is in what is signed, so that neither can be
 * passed off as the other.
 */
import { CompactSign, compactVerify, decodeProtectedHeader, importJWK } from "jose";
import {
  CHECKPOINT_ALGORITHM,
  CHECKPOINT_TYPE,
  type CheckpointClaims,
  parseCheckpointClaims,
} from "#shared/audit/checkpoint.ts";
import { utf8 } from "#shared/base/bytes.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { findPublicKey, listPublicKeys } from "../repositories/signing-keys.ts";
import type { ServiceContext } from "./context.ts";
import { activeSigningKey } from "./signing-keys.ts";

/** A public key, for whoever verifies. */
export interface CheckpointKey {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  readonly x: string;
  readonly kid: string;
}

/** The claims as a compact JWS. @throws {Error} when the signing key cannot be read. */
export async function signCheckpoint(
  context: ServiceContext,
  claims: CheckpointClaims,
): Promise<string> {
  const active = await activeSigningKey(context);
  if (!active.ok) {
    throw new Error(`The audit checkpoint cannot be signed: ${active.error.code}.`);
  }
  const { key, kid } = active.value;
  return await new CompactSign(utf8(JSON.stringify(claims)))
    .setProtectedHeader({ alg: CHECKPOINT_ALGORITHM, typ: CHECKPOINT_TYPE, kid })
    .sign(key);
}

/** Every key that a checkpoint of this control plane may be signed with, the newest first. */
export async function checkpointKeys({
  database,
}: Pick<ServiceContext, "database">): Promise<CheckpointKey[]> {
  const keys = await listPublicKeys(database);
  return keys.map(({ kid, publicKey }) => ({ kty: "OKP", crv: "Ed25519", x: publicKey, kid }));
}

/**
 * What a stored checkpoint claims. Fails with `unknown-key` when it was signed with a key that is
 * not known here, and with `invalid` when somebody altered or made it.
 */
export async function openCheckpoint(
  context: Pick<ServiceContext, "database" | "settings">,
  jws: string,
): Promise<Result<CheckpointClaims, "unknown-key" | "invalid">> {
  try {
    const { kid } = decodeProtectedHeader(jws);
    const x = kid === undefined ? null : await findPublicKey(context.database, kid);
    if (x === null) {
      return fail("unknown-key");
    }
    const key = { kty: "OKP", crv: "Ed25519", x };
    const verified = await compactVerify(jws, await importJWK(key, CHECKPOINT_ALGORITHM), {
      algorithms: [CHECKPOINT_ALGORITHM],
    });
    const claims = parseCheckpointClaims(verified.payload);
    const isOurs =
      verified.protectedHeader.typ === CHECKPOINT_TYPE &&
      claims?.iss === context.settings.publicUrl;
    return isOurs && claims !== null ? ok(claims) : fail("invalid");
  } catch {
    return fail("invalid");
  }
}
