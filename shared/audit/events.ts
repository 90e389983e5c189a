/**
 * The audit trail: one closed union of what can have happened. Each row is written in the same
 * transaction as the change that it tells of. No event holds a secret.
 */
import { z } from "zod";
import { DENIAL_SUBJECTS } from "#shared/control/denials.ts";
import { FIREWALL_MODES } from "#shared/policy/policy.ts";
import { CHANNEL_NAMES } from "#shared/spice/channel-names.ts";

const text = z.string().max(1024);
const bytes = z.int().nonnegative();

/** Why a session ended. */
export const SESSION_END_REASONS = [
  "client-closed",
  "server-closed",
  "terminated",
  "protocol-violation",
  "relay-stopped",
  "relay-lost",
  "relay-restarted",
  /** The relay was drained and its deadline passed. */
  "relay-drained",
  /** A process of the relay crashed. */
  "relay-fault",
  /** Nothing moved for as long as its policy allows. */
  "idle",
  /** It lasted as long as its policy allows. */
  "duration-exceeded",
  /** Another session opened its console, as its policy allows. */
  "taken-over",
  "never-opened",
  "failed",
] as const;

export type SessionEndReason = (typeof SESSION_END_REASONS)[number];

/** Why the control plane ends a session: somebody asked for it, or another session has its console. */
export const TERMINATE_CAUSES = ["terminated", "taken-over"] as const;

export type TerminateCause = (typeof TERMINATE_CAUSES)[number];

/** Why a presented ticket was refused. */
export const TICKET_REFUSAL_REASONS = [
  "malformed",
  "foreign",
  "forged",
  "expired",
  "used",
  "unknown",
  "no-session",
  "unverifiable",
] as const;

export type TicketRefusalReason = (typeof TICKET_REFUSAL_REASONS)[number];

/** What the firewall found on one channel, coalesced by direction, rule and message. */
export const firewallFindingSchema = z.object({
  direction: z.enum(["client", "server"]),
  /** The rule that was broken. */
  rule: z.enum(["type", "size", "sub-list", "rate"]),
  /** The message's number; null where a rule is about no single message. */
  messageType: z.int().min(0).max(0xffff).nullable(),
  count: z.int().positive(),
});

export type FirewallFinding = z.infer<typeof firewallFindingSchema>;

/** Different findings of one channel that are told apart; further ones are not told. */
export const FIREWALL_FINDINGS_MAX = 16;

/**
 * Relays that are asked to take one session: with each that does not answer costing an
 * acknowledgement's deadline, more would not be waited for.
 */
export const PLACEMENT_TRIED_MAX = 3;

/** Sites that one site falls back on. */
export const SITE_FALLBACKS_MAX = 8;

const event = <Type extends string, Data extends z.ZodRawShape>(type: Type, data: Data) =>
  z.object({ type: z.literal(type), data: z.object(data) });

/** Why a relay was no candidate, or that it was one. The first that applies. */
export const PLACEMENT_VERDICTS = [
  "disabled",
  "offline",
  "draining",
  "version",
  "connect-port",
  "needs",
  "full",
  "busy",
  "good",
] as const;

export type PlacementVerdict = (typeof PLACEMENT_VERDICTS)[number];

/** Which relay a session was given, and out of which. */
export const placementSchema = z.object({
  /** The console's site. */
  site: text,
  /** The chosen relay's site, and its place: 0 is the console's own, 1 its first fallback. */
  relaySite: text,
  step: z.int().nonnegative(),
  relay: text,
  /** The chosen relay's load in tenths; null: it has not said. */
  load: z.int().nonnegative().nullable(),
  /** How many relays of all those sites got each verdict. */
  candidates: z.partialRecord(z.enum(PLACEMENT_VERDICTS), z.int().nonnegative()),
  /** The relays that were asked before and did not take it, with a code each. */
  tried: z.array(z.object({ relay: text, code: text })).max(PLACEMENT_TRIED_MAX),
});

export type PlacementRecord = z.infer<typeof placementSchema>;

const siteFacts = z.object({
  name: text,
  description: text,
  fallbacks: z.array(text).max(SITE_FALLBACKS_MAX),
});
const relayFacts = z.object({ name: text, siteId: text });

export const auditEventSchema = z.discriminatedUnion("type", [
  event("user.created", { username: text }),
  event("user.logged-in", { username: text }),
  event("user.login-refused", { username: text }),
  event("user.logged-out", {}),
  event("source.created", { name: text, kind: text }),
  event("console.created", { name: text, source: text }),
  /** Names the fields that were changed, not what they hold. */
  event("console.updated", { name: text, fields: text }),
  event("console.deleted", { name: text }),
  event("ticket.issued", {
    grantId: text,
    expiresAt: text,
    /** Absent from records of the first build. */
    placement: placementSchema.optional(),
  }),
  /** No ticket was given: `code` says why, `heldBy` which session was in the way. */
  event("ticket.denied", { code: text, heldBy: text }),
  event("ticket.withdrawn", { grantId: text, code: text }),
  event("ticket.downloaded", {}),
  event("ticket.refused", {
    reason: z.enum(TICKET_REFUSAL_REASONS),
    channel: text,
    /** Refusals alike that this row stands for. */
    count: z.int().positive().default(1),
  }),
  event("session.failed", { code: text, detail: text }),
  event("session.opened", {}),
  event("session.resumed", {}),
  event("session.ended", {
    reason: z.enum(SESSION_END_REASONS),
    clientBytes: bytes,
    serverBytes: bytes,
  }),
  event("session.terminate-requested", {}),
  /** Another session, on another relay, has its console: its relay is told to end it. */
  event("session.superseded", { by: text, cause: z.enum(TERMINATE_CAUSES) }),
  event("channel.opened", { channel: z.enum(CHANNEL_NAMES), channelId: z.int() }),
  event("channel.closed", {
    channel: z.enum(CHANNEL_NAMES),
    channelId: z.int(),
    reason: text,
    clientBytes: bytes,
    serverBytes: bytes,
  }),
  event("channel.firewall", {
    channel: z.enum(CHANNEL_NAMES),
    channelId: z.int(),
    mode: z.enum(FIREWALL_MODES),
    findings: z.array(firewallFindingSchema).max(FIREWALL_FINDINGS_MAX),
  }),
  event("channel.refused", { channel: text, channelId: z.int(), code: text, detail: text }),
  event("join-token.created", {
    expiresAt: text,
    name: text.nullable().optional(),
    siteId: text.nullable().optional(),
  }),
  event("join-token.revoked", { joinTokenId: text }),
  event("site.created", { siteId: text, name: text }),
  event("site.changed", { siteId: text, before: siteFacts, after: siteFacts }),
  event("site.deleted", { siteId: text, name: text }),
  event("source.moved", { name: text, fromSiteId: text, toSiteId: text }),
  /** What was granted to it until then is void. */
  event("denial.added", { subject: z.enum(DENIAL_SUBJECTS), id: text, reason: text }),
  event("relay.enrolled", { name: text, fingerprint: text }),
  event("relay.online", { build: text }),
  event("relay.offline", { code: text }),
  /** It takes no new sessions, or takes them again. */
  event("relay.draining", {}),
  event("relay.serving", {}),
  event("relay.refused", { code: text, detail: text }),
  event("relay.changed", { before: relayFacts, after: relayFacts }),
  /** The control plane drains it until somebody resumes it; `endsAt`: living sessions end then. */
  event("relay.drain-ordered", { endsAt: text.nullable() }),
  event("relay.drain-lifted", {}),
  event("relay.disabled", { endsSessions: z.boolean() }),
  event("relay.enabled", {}),
  event("relay.deleted", { name: text }),
]);

export type AuditEvent = z.infer<typeof auditEventSchema>;
export type AuditEventType = AuditEvent["type"];

/** Who did it. */
export const ACTOR_KINDS = ["user", "relay", "system", "anonymous"] as const;
export type ActorKind = (typeof ACTOR_KINDS)[number];

/** An event with its circumstances, as it is stored and listed. */
export interface AuditRecord {
  readonly id: string;
  /** Milliseconds since 1970, by the clock of whoever saw it happen. */
  readonly atMs: number;
  readonly actorKind: ActorKind;
  readonly actorId: string | null;
  /** Address of the caller or of the SPICE client. */
  readonly address: string | null;
  readonly requestId: string | null;
  readonly consoleId: string | null;
  readonly sessionId: string | null;
  readonly relayId: string | null;
  readonly event: AuditEvent;
}
