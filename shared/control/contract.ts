/**
 * The contract between the hub (one Durable Object a relay) and the relay: every message on their
 * WebSocket, as JSON text, checked by these schemas on both ends. The texts `ping` and `pong` are
 * heartbeats and no messages.
 *
 *     relay                                   hub
 *       │  GET /api/v1/relays/link, Authorization: Bearer <JWT signed by the relay's key>
 *       ├─ hello ──────────────────────────────►│   versions, what it serves, last push applied
 *       │◄────────────────────────── welcome ───┤   keys, last event stored; or `refuse` and close
 *       │◄───────────────────────── push (seq) ─┤   grants and terminations, resent until acked
 *       ├─ ack (seq, outcome) ─────────────────►│
 *       ├─ events (stream, seq…) ──────────────►│   resent until acked, stored exactly once
 *       │◄───────────────────────── events-ack ─┤
 *       ├─ serving (draining) ─────────────────►│   route here, or route here no more
 *       ├─ load ───────────────────────────────►│   now and then, when it has changed; version 2
 *       ├─ lookup (requestId, ticketHash) ─────►│   a ticket that came before its grant
 *       │◄────────────────────── lookup-answer ─┤
 *       │◄─────────────────────────────── keys ─┤   in the place of the welcome's keys; version 2
 *       ├─ request (requestId, request) ───────►│   certificates, a new identity key; version 2
 *       │◄───────────────────────────── answer ─┤
 *
 * Pushes carry growing numbers within a hub's `epoch` (the life of its storage), given as they are
 * sent; events carry numbers 1, 2, 3… within a relay's `stream` (the life of its spool). Whoever
 * receives drops what it has already seen.
 */
import { z } from "zod";
import {
  FIREWALL_FINDINGS_MAX,
  firewallFindingSchema,
  SESSION_END_REASONS,
  TERMINATE_CAUSES,
  TICKET_REFUSAL_REASONS,
} from "#shared/audit/events.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { FIREWALL_MODES } from "#shared/policy/policy.ts";
import { CHANNEL_NAMES } from "#shared/spice/channel-names.ts";
import { DENIALS_PER_MESSAGE_MAX, denialListSchema, denialSchema } from "./denials.ts";
import { drainOrderSchema } from "./drain-order.ts";
import { relayHostSchema } from "./enrolment.ts";
import {
  CONTROL_MESSAGE_BYTES_MAX,
  EVENTS_PER_MESSAGE_MAX,
  SNAPSHOT_SESSIONS_MAX,
} from "./limits.ts";
import { loadSchema } from "./load.ts";
import {
  ownCertificateSchema,
  relayAnswerSchema,
  relayRequestSchema,
  requestFailureSchema,
} from "./relay-requests.ts";

/**
 * What this build speaks. A connection uses the highest version that both ranges hold.
 *
 * 1: all but what follows.
 * 2: `deny` and `drain` are pushed, and the welcome has both states; the relay says its `load`; keys
 *    are told anew (`keys`), and the relay makes requests (`request`, `answer`).
 *
 * Fields of messages that both know are optional and may be sent under any version: a partner that
 * does not know them drops them. Messages and kinds of commands are said only under theirs.
 */
export const CONTROL_VERSIONS = { min: 1, max: 2 } as const;

/** The first version under which each command may be pushed. */
const COMMAND_VERSIONS = { grant: 1, withdraw: 1, terminate: 1, deny: 2, drain: 2 } as const;

/** The first version under which a relay may say its load. */
export const LOAD_VERSION = 2;

/** The first version under which keys are told anew and requests are made. */
export const KEYS_VERSION = 2;

/** Named in Sec-WebSocket-Protocol, so that a stray client is refused before any message. */
export const CONTROL_SUBPROTOCOL = "kerbside-relay";

export const HEARTBEAT_PING = "ping";
export const HEARTBEAT_PONG = "pong";

const id = z.string().min(1).max(64);
const sequence = z.int().nonnegative();
/** Without the zero character, which databases do not take. */
const shortText = z
  .string()
  .max(1024)
  .overwrite((text) => text.replaceAll("\u0000", ""));
const bytes = z.int().nonnegative();

/** What happened at a relay. Facts only; the control plane decides what they mean. */
export const relayEventSchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("ticket.refused"),
    reason: z.enum(TICKET_REFUSAL_REASONS),
    channel: shortText,
    clientAddress: shortText,
    /** When the relay knows which session the ticket was for. */
    sessionId: id.nullable(),
    /** Refusals alike, from one address, that this event stands for. */
    count: z.int().positive().default(1),
  }),
  /** A channel that was admitted but not linked: by policy, or because the server failed. */
  z.object({
    type: z.literal("channel.refused"),
    sessionId: id,
    channel: shortText,
    channelId: z.int(),
    clientAddress: shortText,
    code: shortText,
    detail: shortText,
  }),
  /** The main channel is linked on both legs. */
  z.object({ type: z.literal("session.opened"), sessionId: id, clientAddress: shortText }),
  z.object({
    type: z.literal("channel.opened"),
    sessionId: id,
    channel: z.enum(CHANNEL_NAMES),
    channelId: z.int(),
    clientAddress: shortText,
  }),
  z.object({
    type: z.literal("channel.closed"),
    sessionId: id,
    channel: z.enum(CHANNEL_NAMES),
    channelId: z.int(),
    reason: shortText,
    /** Bytes from the client, and from the server, headers included. */
    clientBytes: bytes,
    serverBytes: bytes,
  }),
  /** Sent once when a channel on which the firewall found something has ended. */
  z.object({
    type: z.literal("channel.firewall"),
    sessionId: id,
    channel: z.enum(CHANNEL_NAMES),
    channelId: z.int(),
    mode: z.enum(FIREWALL_MODES),
    findings: z.array(firewallFindingSchema).min(1).max(FIREWALL_FINDINGS_MAX),
  }),
  /** The last channel is gone, or the session was refused before its first one. */
  z.object({
    type: z.literal("session.ended"),
    sessionId: id,
    reason: z.enum(SESSION_END_REASONS),
    detail: shortText,
    clientBytes: bytes,
    serverBytes: bytes,
  }),
  /** Sent after each welcome: the sessions that live here now, and no others. */
  z.object({
    type: z.literal("relay.snapshot"),
    sessionIds: z.array(id).max(SNAPSHOT_SESSIONS_MAX),
  }),
]);

export type RelayEvent = z.infer<typeof relayEventSchema>;

export const numberedEventSchema = z.object({
  seq: z.int().positive(),
  /** Milliseconds since 1970 by the relay's clock. */
  atMs: z.int().nonnegative(),
  event: relayEventSchema,
});

export type NumberedEvent = z.infer<typeof numberedEventSchema>;

/** What the control plane tells a relay to do. */
export const commandSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("grant"), grant: z.string().max(CONTROL_MESSAGE_BYTES_MAX) }),
  /** The grant is void: its ticket must not open a session any more. A living one goes on. */
  z.object({ kind: z.literal("withdraw"), sessionId: id }),
  z.object({
    kind: z.literal("terminate"),
    sessionId: id,
    reason: shortText,
    /** Which end reason the session gets. */
    cause: z.enum(TERMINATE_CAUSES).default("terminated"),
  }),
  /** What was granted to these before is void: held grants go, living sessions end. */
  z.object({
    kind: z.literal("deny"),
    revision: denialListSchema.shape.revision,
    denials: z.array(denialSchema).min(1).max(DENIALS_PER_MESSAGE_MAX),
  }),
  /** The control plane drains the relay, or does so no more (null). */
  z.object({ kind: z.literal("drain"), order: drainOrderSchema.nullable() }),
]);

export type Command = z.infer<typeof commandSchema>;

export const helloSchema = z.object({
  type: z.literal("hello"),
  versions: z.object({ min: z.int().positive(), max: z.int().positive() }),
  build: shortText,
  /** Random for each process of the relay. */
  instanceId: id,
  /** The hub epoch whose pushes it knows, and the last push it applied in it. */
  epoch: id.nullable(),
  appliedSeq: sequence,
  /** Channels that it can carry at once. */
  channelsMax: z.int().positive(),
  /** Where SPICE clients reach it now; absent: still where it said at enrolment. */
  advertised: z
    .object({
      host: relayHostSchema,
      tlsPort: z.int().min(1).max(65_535),
      /** Where it takes HTTP CONNECT; absent: nowhere. */
      connectPort: z.int().min(1).max(65_535).optional(),
    })
    .optional(),
  /** Its operator drains it, or it is stopping: nothing may be routed to it. */
  draining: z.boolean().default(false),
  /** What it shows to clients when that is its operator's own; absent: what we signed. */
  certificate: ownCertificateSchema.optional(),
  /** What it can keep of a policy (shared/policy/enforcement.ts); unknown names are kept. */
  enforces: z.array(z.string().max(32)).max(16).default([]),
  /** Its clock, in milliseconds since 1970. */
  nowMs: z.int().nonnegative().optional(),
  load: loadSchema.optional(),
});

export const relayMessageSchema = z.discriminatedUnion("type", [
  helloSchema,
  z.object({
    type: z.literal("ack"),
    seq: z.int().positive(),
    /** Null: applied. Else why it can never be applied (an error code). */
    refusal: shortText.nullable(),
  }),
  z.object({
    type: z.literal("events"),
    stream: id,
    events: z.array(numberedEventSchema).min(1).max(EVENTS_PER_MESSAGE_MAX),
  }),
  /** It began or ceased to drain; `hello` says the same after a reconnect. */
  z.object({ type: z.literal("serving"), draining: z.boolean() }),
  z.object({ type: z.literal("load"), load: loadSchema }),
  z.object({ type: z.literal("lookup"), requestId: id, ticketHash: z.string().length(43) }),
  z.object({ type: z.literal("request"), requestId: id, request: relayRequestSchema }),
]);

export type RelayMessage = z.infer<typeof relayMessageSchema>;
export type Hello = z.infer<typeof helloSchema>;

/** When a key that is no longer in use stops being accepted, in milliseconds since 1970. */
const untilMs = z.int().optional();

const jwkSchema = z.object({
  kty: z.literal("OKP"),
  crv: z.literal("Ed25519"),
  x: z.string(),
  kid: z.string(),
  untilMs,
});

const keysShape = {
  /** Secrets of this relay alone, base64url; the newest epoch first. */
  ticketKeys: z
    .array(z.object({ keyId: z.string(), key: z.string(), sealKey: z.string(), untilMs }))
    .min(1)
    .max(4),
  /** Public keys that grants may be signed with. */
  grantKeys: z.array(jwkSchema).min(1).max(8),
};

export const welcomeSchema = z.object({
  type: z.literal("welcome"),
  version: z.int().positive(),
  epoch: id,
  ...keysShape,
  grantIssuer: z.string(),
  /** The relay's event stream that the hub knows, and the last event it stored of it. */
  stream: id.nullable(),
  storedSeq: sequence,
  /** Origins (scheme, host, port) whose pages may open web consoles. */
  webOrigins: z.array(z.string().max(300)).max(16).default([]),
  /** Whether the certificate that we signed for the relay should be renewed now. */
  renewCertificate: z.boolean().optional(),
  /** Why console files do not name the certificate that the hello told of. */
  certificateRefusal: requestFailureSchema.optional(),
  nowMs: z.int(),
  /** Which versions the control plane speaks, for the sentence that says why they do not meet. */
  versions: z.object({ min: z.int().positive(), max: z.int().positive() }).optional(),
  /** Whether the control plane drains the relay; absent: it cannot. */
  drain: drainOrderSchema.nullable().optional(),
  /** Every denial that can still matter; absent: the control plane knows none. */
  denials: denialListSchema.optional(),
});

export const hubMessageSchema = z.discriminatedUnion("type", [
  welcomeSchema,
  z.object({ type: z.literal("refuse"), code: shortText, detail: shortText }),
  z.object({ type: z.literal("push"), seq: z.int().positive(), command: commandSchema }),
  z.object({ type: z.literal("events-ack"), stream: id, seq: sequence }),
  z.object({
    type: z.literal("lookup-answer"),
    requestId: id,
    /** Null: the control plane knows no usable grant for that ticket. */
    grant: z.string().nullable(),
    /** Why there is none, when there is none. */
    reason: z.enum(TICKET_REFUSAL_REASONS).nullable(),
  }),
  /** All of the keys that are accepted from now on; pushes that follow may need them. */
  z.object({ type: z.literal("keys"), ...keysShape }),
  z.object({
    type: z.literal("answer"),
    requestId: id,
    result: z.discriminatedUnion("ok", [
      z.object({ ok: z.literal(true), value: relayAnswerSchema }),
      z.object({ ok: z.literal(false), error: requestFailureSchema }),
    ]),
  }),
]);

export type HubMessage = z.infer<typeof hubMessageSchema>;
export type Welcome = z.infer<typeof welcomeSchema>;
/** The keys of a welcome, or of the message that replaces them. */
export type LinkKeys = Pick<Welcome, "ticketKeys" | "grantKeys">;

/** Reads a relay's message; the failure says what is wrong without repeating the message. */
export function parseRelayMessage(text: string): Result<RelayMessage, string> {
  return parse(relayMessageSchema, text);
}

/** Reads a hub's message. */
export function parseHubMessage(text: string): Result<HubMessage, string> {
  return parse(hubMessageSchema, text);
}

/** Whether a partner that agreed on this version knows commands of this kind. */
export function isKnownCommand(kind: Command["kind"], version: number): boolean {
  return version >= COMMAND_VERSIONS[kind];
}

/** The sentence that both sides log when their versions do not meet. */
export function sayVersions(
  relay: { readonly min: number; readonly max: number },
  hub: { readonly min: number; readonly max: number },
): string {
  const isRelayOlder = relay.max < hub.min;
  return (
    `the relay speaks ${relay.min} to ${relay.max}, the control plane ${hub.min} to ${hub.max}: ` +
    `upgrade the ${isRelayOlder ? "relay" : "control plane"}`
  );
}

/** The highest version in both ranges, or null when they do not meet. */
export function agreeVersion(
  ours: { readonly min: number; readonly max: number },
  theirs: { readonly min: number; readonly max: number },
): number | null {
  const version = Math.min(ours.max, theirs.max);
  return version >= Math.max(ours.min, theirs.min) ? version : null;
}

function parse<Message>(schema: z.ZodType<Message>, text: string): Result<Message, string> {
  if (text.length > CONTROL_MESSAGE_BYTES_MAX) {
    return fail(`message of ${text.length} characters exceeds ${CONTROL_MESSAGE_BYTES_MAX}`);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return fail("message is not JSON");
  }
  const parsed = schema.safeParse(json);
  return parsed.success ? ok(parsed.data) : fail(z.prettifyError(parsed.error).slice(0, 500));
}
