/** Signs grants, so that a relay can check whose decision it acts on. */
import { CompactSign, importJWK } from "jose";
import { utf8 } from "#shared/base/bytes.ts";
import { DEFAULT_POLICY, type Policy } from "#shared/policy/policy.ts";
import { type Grant, GRANT_ALGORITHM, GRANT_TYPE } from "#shared/ticket/grant.ts";
import type { ServiceSettings } from "./context.ts";

/**
 * The grant as a compact JWS. What its absence says as well is left out: a relay of an earlier
 * version refuses rules that it does not know, and then refuses those alone that it cannot keep.
 */
export async function signGrant(
  signingKey: ServiceSettings["grantSigningKey"],
  grant: Grant,
): Promise<string> {
  const key = await importJWK(signingKey, GRANT_ALGORITHM);
  return await new CompactSign(utf8(JSON.stringify(abbreviate(grant))))
    .setProtectedHeader({ alg: GRANT_ALGORITHM, typ: GRANT_TYPE, kid: signingKey.kid })
    .sign(key);
}

/** Whether the key signs at all. */
export async function isSigningKeyUsable(
  signingKey: ServiceSettings["grantSigningKey"],
): Promise<boolean> {
  try {
    const key = await importJWK(signingKey, GRANT_ALGORITHM);
    const protectedHeader = { alg: GRANT_ALGORITHM };
    await new CompactSign(utf8("ready")).setProtectedHeader(protectedHeader).sign(key);
    return true;
  } catch {
    return false;
  }
}

function abbreviate({ target, policy, ...claims }: Grant): object {
  const { proxy, ...address } = target;
  return {
    ...claims,
    target: proxy === null ? address : target,
    policy: Object.fromEntries(Object.entries(policy).filter(isTold)),
  };
}

/** `channels` always is: without it no version takes a policy. */
function isTold([rule, value]: [string, unknown]): boolean {
  return rule === "channels" || value !== DEFAULT_POLICY[rule as keyof Policy];
}
