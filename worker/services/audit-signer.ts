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
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { ServiceContext } from "./context.ts";

/** A public key, for whoever verifies. */
export interface CheckpointKey {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  readonly x: string;
  readonly kid: string;
}

type WithSettings = Pick<ServiceContext, "settings">;

/** The claims as a compact JWS. */
export async function signCheckpoint(
  { settings }: WithSettings,
  claims: CheckpointClaims,
): Promise<string> {
  const { grantSigningKey: key } = settings;
  return await new CompactSign(utf8(JSON.stringify(claims)))
    .setProtectedHeader({ alg: CHECKPOINT_ALGORITHM, typ: CHECKPOINT_TYPE, kid: key.kid })
    .sign(await importJWK(key, CHECKPOINT_ALGORITHM));
}

/** Every key that a checkpoint of this control plane may be signed with. */
export function checkpointKeys({ settings }: WithSettings): CheckpointKey[] {
  const { kty, crv, x, kid } = settings.grantSigningKey;
  return [{ kty, crv, x, kid }];
}

/**
 * What a stored checkpoint claims. Fails with `unknown-key` when it was signed with a key that is
 * not known here, and with `invalid` when somebody altered or made it.
 */
export async function openCheckpoint(
  context: WithSettings,
  jws: string,
): Promise<Result<CheckpointClaims, "unknown-key" | "invalid">> {
  try {
    const { kid } = decodeProtectedHeader(jws);
    const key = checkpointKeys(context).find((known) => known.kid === kid);
    if (key === undefined) {
      return fail("unknown-key");
    }
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
