/** Signs grants, so that a relay can check whose decision it acts on. */
import { CompactSign } from "jose";
import { utf8 } from "#shared/base/bytes.ts";
import { DEFAULT_POLICY, type Policy } from "#shared/policy/policy.ts";
import { type Grant, GRANT_ALGORITHM, GRANT_TYPE } from "#shared/ticket/grant.ts";
import type { SigningKey } from "./signing-key-cache.ts";

/**
 * The grant as a compact JWS. What its absence says as well is left out: a relay of an earlier
 * version refuses rules that it does not know, and then refuses those alone that it cannot keep.
 */
export async function signGrant(signingKey: SigningKey, grant: Grant): Promise<string> {
  return await new CompactSign(utf8(JSON.stringify(abbreviate(grant))))
    .setProtectedHeader({ alg: GRANT_ALGORITHM, typ: GRANT_TYPE, kid: signingKey.kid })
    .sign(signingKey.key);
}

function abbreviate({ target, policy, notAfterMs, ...claims }: Grant): object {
  const { proxy, ...address } = target;
  return {
    ...claims,
    ...(notAfterMs === null ? {} : { notAfterMs }),
    target: proxy === null ? address : target,
    policy: Object.fromEntries(Object.entries(policy).filter(isTold)),
  };
}

/** `channels` always is: without it no version takes a policy. */
function isTold([rule, value]: [string, unknown]): boolean {
  return rule === "channels" || value !== DEFAULT_POLICY[rule as keyof Policy];
}
