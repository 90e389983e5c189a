/**
 * Verifies a grant: the control plane's signature, its type, issuer, audience and time, then its
 * content by schema and by what this relay can enforce. Says why not without repeating the grant.
 */
import { type CryptoKey, errors, jwtVerify } from "jose";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { type Grant, GRANT_ALGORITHM, GRANT_TYPE, grantSchema } from "#shared/ticket/grant.ts";
import { whyUnenforceable } from "./enforcement.ts";
import type { RelayKeys } from "./key-ring.ts";

/** A grant that is good, and the key that signed it. */
export interface VerifiedGrant {
  readonly grant: Grant;
  readonly kid: string;
}

/**
 * The grant, a `control.grant-invalid` that says what is wrong with it, or a `policy.unenforceable`
 * that names the rules which this relay cannot keep.
 */
export async function verifyGrant(
  jws: string,
  keys: RelayKeys,
  nowMs: number,
): Promise<Result<VerifiedGrant, Failure>> {
  let payload: unknown;
  let kid: string;
  try {
    const verified = await jwtVerify(jws, (header) => keyFor(keys, header.kid), {
      algorithms: [GRANT_ALGORITHM],
      typ: GRANT_TYPE,
      issuer: keys.grantIssuer,
      audience: keys.relayId,
      currentDate: new Date(nowMs),
      requiredClaims: ["exp"],
    });
    payload = verified.payload;
    kid = verified.protectedHeader.kid ?? "";
  } catch (error) {
    return invalid(error instanceof errors.JOSEError ? `${error.code}: ${error.message}` : "key");
  }
  const parsed = grantSchema.safeParse(payload);
  if (!parsed.success) {
    const paths = parsed.error.issues.map((issue) => issue.path.join(".")).join(", ");
    return invalid(`content is unlawful at: ${paths}`);
  }
  const unenforceable = whyUnenforceable(parsed.data);
  return unenforceable === null ? ok({ grant: parsed.data, kid }) : fail(unenforceable);
}

function keyFor(keys: RelayKeys, kid: string | undefined): CryptoKey {
  const named = keys.grantKeys.find((candidate) => candidate.kid === kid);
  if (named === undefined) {
    throw new errors.JWKSNoMatchingKey();
  }
  return named.key;
}

function invalid(detail: string): { readonly ok: false; readonly error: Failure } {
  return fail({ code: "control.grant-invalid", detail: detail.slice(0, DETAIL_CHARACTERS_MAX) });
}

/** An event's text holds 1,024 characters; a reason needs far fewer. */
const DETAIL_CHARACTERS_MAX = 256;
