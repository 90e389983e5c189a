/**
 * What this relay can keep of a policy, and whether it may carry a session now; pure. What it says
 * here the hub relies on: it gives the relay no grant that needs more, and the relay takes none.
 */
import { type Enforcement, lackingOf, needsOf } from "#shared/policy/enforcement.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import type { Grant } from "#shared/ticket/grant.ts";

/** Announced in the relay's hello. */
export const RELAY_ENFORCES: readonly Enforcement[] = ["controlLoss", "notAfter", "usb"];

/** Why no session of that grant may ever be carried here. */
export function whyUnenforceable({ policy }: Grant): Failure | null {
  const lacking = lackingOf(needsOf(policy), RELAY_ENFORCES);
  return lacking.length === 0
    ? null
    : { code: "policy.unenforceable", detail: `this relay cannot keep: ${lacking.join(", ")}` };
}

/** When, and how long ago the control plane was heard. */
export interface Circumstances {
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  readonly silentMs: number;
}

/** Why no channel of that grant's session may come in now. */
export function whyClosed(
  grant: Pick<Grant, "policy" | "notAfterMs">,
  { nowMs, silentMs }: Circumstances,
): "policy.control-lost" | "policy.outside-hours" | null {
  const allowedMs = silenceAllowedMs(grant);
  if (allowedMs !== null && silentMs >= allowedMs) {
    return "policy.control-lost";
  }
  return grant.notAfterMs !== null && nowMs >= grant.notAfterMs ? "policy.outside-hours" : null;
}

/** How long the session may live without a word from the control plane; null: for ever. */
export function silenceAllowedMs({ policy }: Pick<Grant, "policy">): number | null {
  const { controlLoss } = policy;
  return controlLoss === "fail-static" ? null : controlLoss.strict * 1000;
}
