/** What a session may do and for how long. Travels inside the grant; judged at the relay. */
import { z } from "zod";
import { CHANNEL_NAMES, type ChannelName } from "#shared/spice/channel-names.ts";

/** What happens to a message that the firewall does not permit. */
export const FIREWALL_MODES = ["enforce", "observe"] as const;
export type FirewallMode = (typeof FIREWALL_MODES)[number];

/** What happens when a second session opens a console that somebody is watching. */
export const SECOND_VIEWER_RULES = ["refuse", "take-over"] as const;
export type SecondViewerRule = (typeof SECOND_VIEWER_RULES)[number];

const DAY_S = 86_400;

export const policySchema = z.strictObject({
  /** Channel types that the session may open; null permits every type. */
  channels: z.array(z.enum(CHANNEL_NAMES)).min(1).nullable().default(null),
  /** `enforce` ends the channel of an unlawful message; `observe` forwards and counts it. */
  firewall: z.enum(FIREWALL_MODES).default("enforce"),
  /** Whether a living session keeps a second one away, or gives way to it. */
  secondViewer: z.enum(SECOND_VIEWER_RULES).default("refuse"),
  /** Seconds after a client's loss in which its ticket may open the same session again; 0: never. */
  reconnectWindowS: z.int().min(0).max(3_600).default(0),
  /** Seconds without input and without a change on any channel that end the session. */
  idleS: z
    .int()
    .min(1)
    .max(7 * DAY_S)
    .nullable()
    .default(null),
  /** Seconds after its opening that end the session. */
  durationS: z
    .int()
    .min(1)
    .max(30 * DAY_S)
    .nullable()
    .default(null),
});

export type Policy = z.infer<typeof policySchema>;

/** What a console's owner expects when nobody configured anything: all of SPICE, for one viewer. */
export const DEFAULT_POLICY: Policy = policySchema.parse({});

const { shape } = policySchema;

/**
 * Some of a policy's rules; those that are absent are another policy's to say. Without the main
 * channel no session begins, so that a list without it is a mistake.
 */
export const partialPolicySchema = z.strictObject({
  channels: shape.channels
    .unwrap()
    .refine((channels) => channels?.includes("main") !== false, 'must have "main"')
    .optional(),
  firewall: shape.firewall.unwrap().optional(),
  secondViewer: shape.secondViewer.unwrap().optional(),
  reconnectWindowS: shape.reconnectWindowS.unwrap().optional(),
  idleS: shape.idleS.unwrap().optional(),
  durationS: shape.durationS.unwrap().optional(),
});

export type PartialPolicy = z.infer<typeof partialPolicySchema>;

/** `base` with the rules that `partial` has. */
export function mergePolicy(base: Policy, partial: PartialPolicy | null): Policy {
  return policySchema.parse({ ...base, ...partial });
}

/** Whether a session under `policy` may open a channel of this type. */
export function permitsChannel(policy: Pick<Policy, "channels">, channel: ChannelName): boolean {
  return policy.channels === null || policy.channels.includes(channel);
}
