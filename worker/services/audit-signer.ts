/**
 * Signs the audit trail's checkpoints and opens them again. The only place that knows with which
 * key: the one that signs grants. A checkpoint's type is in what is signed, so that neither can be
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
import { findPublicKey } from "../repositories/signing-keys.ts";
import type { CheckpointKey } from "./audit-keyring.ts";
import type { ServiceContext } from "./context.ts";
import { activeSigningKey } from "./signing-keys.ts";

/**
 * The claims as a compact JWS, and the key that opens it.
 *
 * @throws {Error} when the signing key cannot be read, or the public half that the database has of
 * it is another one's.
 */
export async function signCheckpoint(
  context: ServiceContext,
  claims: CheckpointClaims,
): Promise<{ readonly jws: string; readonly key: CheckpointKey }> {
  const active = await activeSigningKey(context);
  if (!active.ok) {
    throw new Error(`The audit checkpoint cannot be signed: ${active.error.code}.`);
  }
  const { kid } = active.value;
  const jws = await new CompactSign(utf8(JSON.stringify(claims)))
    .setProtectedHeader({ alg: CHECKPOINT_ALGORITHM, typ: CHECKPOINT_TYPE, kid })
    .sign(active.value.key);
  const x = (await findPublicKey(context.database, kid)) ?? "";
  const key = { kty: "OKP", crv: "Ed25519", x, kid } as const;
  if ((await openCheckpoint([key], claims.iss, jws)) === null) {
    throw new Error(`The public half of the signing key ${kid} was altered.`);
  }
  return { jws, key };
}

/** What a stored checkpoint claims; null when none of these keys has signed it for this issuer. */
export async function openCheckpoint(
  keys: readonly CheckpointKey[],
  issuer: string,
  jws: string,
): Promise<CheckpointClaims | null> {
  try {
    const { kid } = decodeProtectedHeader(jws);
    const key = keys.find((known) => known.kid === kid);
    if (key === undefined) {
      return null;
    }
    const { payload, protectedHeader } = await compactVerify(
      jws,
      await importJWK(key, CHECKPOINT_ALGORITHM),
      { algorithms: [CHECKPOINT_ALGORITHM] },
    );
    const claims = parseCheckpointClaims(payload);
    const isOurs = protectedHeader.typ === CHECKPOINT_TYPE && claims?.iss === issuer;
    return isOurs ? claims : null;
  } catch {
    return null;
  }
}
