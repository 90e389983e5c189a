/** Signs grants, so that a relay can check whose decision it acts on. */
import { CompactSign, importJWK } from "jose";
import { utf8 } from "#shared/base/bytes.ts";
import { type Grant, GRANT_ALGORITHM, GRANT_TYPE } from "#shared/ticket/grant.ts";
import type { ServiceSettings } from "./context.ts";

/** The grant as a compact JWS. */
export async function signGrant(
  signingKey: ServiceSettings["grantSigningKey"],
  grant: Grant,
): Promise<string> {
  const key = await importJWK(signingKey, GRANT_ALGORITHM);
  return await new CompactSign(utf8(JSON.stringify(grant)))
    .setProtectedHeader({ alg: GRANT_ALGORITHM, typ: GRANT_TYPE, kid: signingKey.kid })
    .sign(key);
}
