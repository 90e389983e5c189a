/** Policies as they are stored: the rules that they have, as JSON. */
import { assert } from "#shared/base/assert.ts";
import { type PartialPolicy, partialPolicySchema } from "#shared/policy/policy.ts";

/** The stored rules; null when there are none. */
export function readPolicy(stored: string | null): PartialPolicy | null {
  if (stored === null) {
    return null;
  }
  const policy = partialPolicySchema.safeParse(JSON.parse(stored));
  assert(policy.success, "a stored policy matches its schema");
  return policy.data;
}

/** The rules as they are stored; none at all is no policy. */
export function writePolicy(policy: PartialPolicy | null): string | null {
  return policy === null || Object.keys(policy).length === 0 ? null : JSON.stringify(policy);
}
