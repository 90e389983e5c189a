/**
 * What the firewall found on one channel, and what comes of it: one object for both directions.
 * Promises that what it keeps is bounded however a peer behaves, and that nothing it keeps or tells
 * is content. It decides nothing about messages: the judges do.
 */
import { FIREWALL_FINDINGS_MAX, type FirewallFinding } from "#shared/audit/events.ts";
import type { FirewallMode } from "#shared/policy/policy.ts";
import type { Direction } from "#shared/spice/channel-table.ts";
import type { ChannelName } from "#shared/spice/channel-names.ts";
import { SpiceError, type SpiceErrorNumbers } from "#shared/spice/errors.ts";

export type FirewallRule = FirewallFinding["rule"];

/** One judgement, for metrics. */
export interface FirewallJudgement {
  readonly direction: Direction;
  readonly rule: FirewallRule;
  /** The channel ends of it, or it was only seen. */
  readonly action: "ended" | "observed";
}

export interface ChannelFirewallOptions {
  readonly channel: ChannelName;
  readonly mode: FirewallMode;
  /** Called for each thing found, at once. */
  readonly onFinding: (judgement: FirewallJudgement) => void;
}

/** What breaks which rule. */
export interface Violation {
  readonly direction: Direction;
  readonly rule: FirewallRule;
  /** The message's number; null where the rule is about no single message. */
  readonly messageType: number | null;
  readonly numbers: SpiceErrorNumbers;
}

/** Lives as long as its channel. */
export class ChannelFirewall {
  readonly #options: ChannelFirewallOptions;
  /** By direction, rule and message. */
  readonly #findings = new Map<string, FirewallFinding>();

  constructor(options: ChannelFirewallOptions) {
    this.#options = options;
  }

  get channel(): ChannelName {
    return this.#options.channel;
  }

  /** All that was found, alike things counted together, in the order of their first time. */
  findings(): readonly FirewallFinding[] {
    return [...this.#findings.values()];
  }

  /**
   * Takes down a violation. Returns when it may pass.
   * @throws {SpiceError} in enforce mode, with the rule's code: it ends the channel
   */
  violated(violation: Violation): void {
    const { mode, onFinding } = this.#options;
    const { direction, rule, numbers } = violation;
    this.#count(violation);
    onFinding({ direction, rule, action: mode === "enforce" ? "ended" : "observed" });
    if (mode === "enforce") {
      throw new SpiceError(CODES[rule], numbers);
    }
  }

  #count({ direction, rule, messageType }: Violation): void {
    const key = `${direction} ${rule} ${String(messageType)}`;
    const known = this.#findings.get(key);
    if (known !== undefined) {
      known.count += 1;
    } else if (this.#findings.size < FIREWALL_FINDINGS_MAX) {
      this.#findings.set(key, { direction, rule, messageType, count: 1 });
    }
  }
}

const CODES = {
  type: "message.type-unknown",
  size: "message.size-unlawful",
  "sub-list": "message.sub-list-unlawful",
  rate: "message.rate-exceeded",
} as const satisfies Record<FirewallRule, string>;
