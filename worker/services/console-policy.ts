/**
 * A console's own policy as it is stored: the rules in which it differs from the default, as JSON.
 * What a session gets is both together.
 */
import { assert } from "#shared/base/assert.ts";
import {
  DEFAULT_POLICY,
  mergePolicy,
  type PartialPolicy,
  partialPolicySchema,
  type Policy,
} from "#shared/policy/policy.ts";

/** The policy of a new session of the console. */
export function effectivePolicy(console: { readonly policy: string | null }): Policy {
  return mergePolicy(DEFAULT_POLICY, readPolicy(console.policy));
}

/** `policy` with the rules of `partial` where these are stricter: the outcome permits nothing more. */
export function narrowPolicy(policy: Policy, partial: PartialPolicy | null): Policy {
  const { channels, firewall, secondViewer, reconnectWindowS, idleS, durationS } = partial ?? {};
  return {
    channels: narrowChannels(policy.channels, channels ?? null),
    firewall: firewall === "enforce" ? firewall : policy.firewall,
    secondViewer: secondViewer === "refuse" ? secondViewer : policy.secondViewer,
    reconnectWindowS: Math.min(policy.reconnectWindowS, reconnectWindowS ?? Infinity),
    idleS: shorter(policy.idleS, idleS ?? null),
    durationS: shorter(policy.durationS, durationS ?? null),
  };
}

/** Both have the main channel, if they name any. */
function narrowChannels(left: Policy["channels"], right: Policy["channels"]): Policy["channels"] {
  return left === null || right === null
    ? (left ?? right)
    : left.filter((channel) => right.includes(channel));
}

function shorter(left: number | null, right: number | null): number | null {
  return left === null || right === null ? (left ?? right) : Math.min(left, right);
}

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
