/**
 * Which rules a relay has to know to keep them, pure. A relay says in its hello what it can enforce;
 * a session goes to no relay that cannot enforce what its policy needs, and such a relay refuses the
 * grant. Rules that every relay has always known are not among these names.
 */
import { CHANNEL_NAMES } from "#shared/spice/channel-names.ts";
import { DEFAULT_POLICY, permitsChannel, type Policy } from "./policy.ts";

/** `notAfter` is the grant's own; the others are rules. */
export const ENFORCEMENTS = [
  "controlLoss",
  "notAfter",
  "usb",
  "clipboard",
  "fileTransfer",
  "input",
] as const;
export type Enforcement = (typeof ENFORCEMENTS)[number];

/** The rules that the policy restricts and that only a relay which names them can keep. */
export function needsOf(policy: Policy): Enforcement[] {
  return NEEDED.filter((rule) => policy[rule] !== DEFAULT_POLICY[rule]);
}

/** What is needed and not among those. */
export function lackingOf<Need extends string>(
  needs: readonly Need[],
  enforces: readonly string[],
): Need[] {
  return needs.filter((need) => !enforces.includes(need));
}

/**
 * The policy in words that a relay with these enforcements understands: USB redirection is a channel
 * type, so that a list of the others keeps it away where the rule itself is not known.
 */
export function fitPolicy(policy: Policy, enforces: readonly string[]): Policy {
  return policy.usb === "allow" || enforces.includes("usb")
    ? policy
    : {
        ...policy,
        usb: "allow",
        channels: CHANNEL_NAMES.filter((channel) => permitsChannel(policy, channel)),
      };
}

const NEEDED = ["controlLoss", "clipboard", "fileTransfer", "input"] as const;
