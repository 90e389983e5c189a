/** What a session may do and for how long. Travels inside the grant; judged at the relay. */
import { z } from "zod";
import { CHANNEL_NAMES, type ChannelName } from "#shared/spice/channel-names.ts";
import { type Hours, hoursSchema } from "./hours.ts";

/** What happens to a message that the firewall does not permit. */
export const FIREWALL_MODES = ["enforce", "observe"] as const;
export type FirewallMode = (typeof FIREWALL_MODES)[number];

/** What happens when a second session opens a console that somebody is watching. */
export const SECOND_VIEWER_RULES = ["refuse", "take-over"] as const;
export type SecondViewerRule = (typeof SECOND_VIEWER_RULES)[number];

/** Which way the clipboard may be shared. */
export const CLIPBOARD_RULES = ["allow", "to-guest", "to-client", "deny"] as const;
export type ClipboardRule = (typeof CLIPBOARD_RULES)[number];

/** What a policy can be attached to. */
export const ATTACHED_KINDS = ["everyone", "console", "source", "group", "user"] as const;
export type AttachedKind = (typeof ATTACHED_KINDS)[number];

export const SWITCHES = ["allow", "deny"] as const;

const DAY_S = 86_400;

/**
 * The shortest silence of the control plane that a strict session may be ended for. A link that
 * died is noticed after LEASE_MS, its first heartbeat may come HEARTBEAT_INTERVAL_MS after the
 * welcome, and a new link has HELLO_DEADLINE_MS for that: 18 seconds in which nothing is wrong but
 * one connection.
 */
export const CONTROL_LOSS_S_MIN = 20;

const controlLossSchema = z.union([
  z.literal("fail-static"),
  z.strictObject({ strict: z.int().min(CONTROL_LOSS_S_MIN).max(DAY_S) }),
]);

export type ControlLossRule = z.infer<typeof controlLossSchema>;

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
  /** Whether it lives on without the control plane, or for how many seconds of its silence. */
  controlLoss: controlLossSchema.default("fail-static"),
  clipboard: z.enum(CLIPBOARD_RULES).default("allow"),
  fileTransfer: z.enum(SWITCHES).default("allow"),
  /** USB redirection: a channel type of its own. */
  usb: z.enum(SWITCHES).default("allow"),
  /** `deny`: to look on is all that is allowed. */
  input: z.enum(SWITCHES).default("allow"),
});

/** The rules that a session's relay keeps. */
export type Policy = z.infer<typeof policySchema>;

/** What a console's owner expects when nobody configured anything: all of SPICE, for one viewer. */
export const DEFAULT_POLICY: Policy = policySchema.parse({});

/** Every rule: those of a session, and those that are judged before there is one. */
export interface Rules extends Policy {
  /** Sessions that one user may have at once, waiting ones included. */
  readonly sessionsMax: number | null;
  /** Windows that all have to be open; null: always. */
  readonly allowedHours: readonly Hours[] | null;
}

export type RuleName = keyof Rules;

/** What is the case where no policy says anything. */
export const DEFAULT_RULES: Rules = { ...DEFAULT_POLICY, sessionsMax: null, allowedHours: null };

export const RULE_NAMES = Object.keys(DEFAULT_RULES) as readonly RuleName[];

const { shape } = policySchema;

/**
 * Some of the rules, as they are written down; those that are absent are another policy's to say.
 * Without the main channel no session begins, so that a list without it is a mistake.
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
  sessionsMax: z.int().min(1).max(1_000).nullable().optional(),
  allowedHours: hoursSchema.nullable().optional(),
  controlLoss: shape.controlLoss.unwrap().optional(),
  clipboard: shape.clipboard.unwrap().optional(),
  fileTransfer: shape.fileTransfer.unwrap().optional(),
  usb: shape.usb.unwrap().optional(),
  input: shape.input.unwrap().optional(),
});

export type PartialPolicy = z.infer<typeof partialPolicySchema>;

/** The part of the rules that a grant takes to the relay. */
export function sessionPolicy({
  sessionsMax: _max,
  allowedHours: _hours,
  ...policy
}: Rules): Policy {
  return policy;
}

/** Whether a session under `policy` may open a channel of this type. */
export function permitsChannel(
  policy: Pick<Policy, "channels" | "usb">,
  channel: ChannelName,
): boolean {
  const isUsbDenied = policy.usb === "deny" && channel === "usbredir";
  return !isUsbDenied && (policy.channels === null || policy.channels.includes(channel));
}
