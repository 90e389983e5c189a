/**
 * The audit trail: one closed union of what can have happened. Each row is written in the same
 * transaction as the change that it tells of. No event holds a secret.
 */
import { z } from "zod";
import { fieldChangesSchema } from "./describe-changes.ts";
import { DENIAL_SUBJECTS } from "#shared/control/denials.ts";
import { FIREWALL_MODES } from "#shared/policy/policy.ts";
import { CHANNEL_NAMES } from "#shared/spice/channel-names.ts";

const text = z.string().max(1024);
/** JSON of a policy; its bounds are in shared/policy. */
const policyText = z.string().max(8 * 1024);
const bytes = z.int().nonnegative();
const count = z.int().nonnegative();

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
  /** The relay heard nothing from the control plane for longer than its policy allows. */
  "control-lost",
  /** The hours in which its policy allows it are over. */
  "outside-hours",
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

/** Why a login was refused. Its caller hears one answer for all of them. */
export const LOGIN_REFUSAL_REASONS = [
  "unknown-user",
  "wrong-password",
  "no-password",
  "disabled",
  "not-admitted",
  /** Somebody else has the user name that a provider gives. */
  "name-taken",
  /** What came back from a provider proves nobody, or is its own refusal. */
  "provider-refused",
] as const;

export type LoginRefusalReason = (typeof LOGIN_REFUSAL_REASONS)[number];

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
  z.object({ type: z.literal(type), data: z.object({ ...data, ...ANY_EVENT }) });

/** What any event may have: the API token that its user acted with. */
const ANY_EVENT = { viaTokenId: text.exactOptional() };

/** What is counted, so that guessing ends soon (see worker/services/attempts.ts). */
export const ATTEMPT_KINDS = [
  "login",
  "password",
  "console-file",
  "share-link",
  "enrolment",
  "login-callback",
  "login-start",
] as const;

export type AttemptKind = (typeof ATTEMPT_KINDS)[number];

/** Optional here is what older rows do not have, or what is not always known. */
const PEOPLE_EVENTS = [
  event("user.created", {
    username: text,
    userId: text.exactOptional(),
    role: text.exactOptional(),
    origin: text.exactOptional(),
  }),
  event("user.changed", {
    userId: text,
    username: text,
    /** The names of the fields that were changed, by comma; what they held and hold is in `changes`. */
    fields: text,
    changes: fieldChangesSchema.exactOptional(),
    roleBefore: text.exactOptional(),
    roleAfter: text.exactOptional(),
    disabledBefore: z.boolean().exactOptional(),
    disabledAfter: z.boolean().exactOptional(),
    /** Credentials that ended with it. */
    loginsEnded: count,
    tokensRevoked: count,
  }),
  event("user.deleted", {
    userId: text,
    username: text,
    loginsEnded: count,
    tokensRevoked: count,
  }),
  event("user.password-set", { userId: text, username: text, loginsEnded: count }),
  /** The old password was wrong. */
  event("user.password-refused", { userId: text }),
  event("user.logged-in", {
    username: text,
    method: text.exactOptional(),
    loginId: text.exactOptional(),
  }),
  event("user.login-refused", {
    username: text,
    method: text.exactOptional(),
    /** Why, which the caller is not told. */
    reason: z.enum(LOGIN_REFUSAL_REASONS).exactOptional(),
  }),
  event("user.logged-out", { loginId: text.exactOptional() }),
  /** Logins that were ended from elsewhere; `loginId` where it was one by its id. */
  event("login.ended", { userId: text, count, loginId: text.exactOptional() }),
  event("token.created", {
    tokenId: text,
    userId: text,
    name: text,
    scopes: text,
    expiresAt: text,
  }),
  event("token.revoked", { tokenId: text, userId: text, name: text }),
  /** Told once an hour of each address. */
  event("token.used", { tokenId: text, userId: text }),
  event("group.created", { groupId: text, name: text }),
  event("group.changed", {
    groupId: text,
    name: text,
    fields: text,
    changes: fieldChangesSchema.exactOptional(),
  }),
  event("group.deleted", { groupId: text, name: text, members: count }),
  event("group.member-added", { groupId: text, userId: text, origin: text }),
  event("group.member-removed", { groupId: text, userId: text, origin: text }),
  /** Told once in fifteen minutes of each address or account that is refused. */
  event("auth.rate-limited", {
    kind: z.enum(ATTEMPT_KINDS),
    by: z.enum(["address", "account"]),
    /** The account, where there is one of that name. */
    userId: text.exactOptional(),
  }),
] as const;

/** A policy, and what it applies to: `kind` with its id and its name, or everyone. */
const attachment = { policyId: text, name: text, kind: text, subjectId: text, subject: text };

/** A console's project, empty when it has none, and its tags, by comma. */
const GROUPING = { project: text.exactOptional(), tags: text.exactOptional() };

/** Who may do what with which consoles: an absent part of what it is about matches every console. */
const ACCESS_RULE = {
  ruleId: text,
  subject: z.enum(["user", "group", "everyone"]),
  userId: text.exactOptional(),
  groupId: text.exactOptional(),
  level: text,
  source: text.exactOptional(),
  project: text.exactOptional(),
  tag: text.exactOptional(),
  name: text.exactOptional(),
};

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
  ...PEOPLE_EVENTS,
  event("source.created", { name: text, kind: text }),
  event("console.created", { name: text, source: text, ...GROUPING }),
  /** Names the fields that were given, and what they hold where rules go by it. */
  event("console.updated", {
    name: text,
    fields: text,
    changes: fieldChangesSchema.exactOptional(),
    ...GROUPING,
  }),
  event("console.deleted", { name: text }),
  event("access.granted", ACCESS_RULE),
  /** As it is afterwards. */
  event("access.changed", { ...ACCESS_RULE, levelBefore: text }),
  event("access.revoked", ACCESS_RULE),
  event("share.created", {
    shareId: text,
    userId: text,
    label: text,
    usesMax: z.int().positive(),
    expiresAt: text,
    /** The names of the rules that it makes stricter, by comma. */
    policy: text,
  }),
  event("share.revoked", { shareId: text, userId: text }),
  event("share.opened", { shareId: text, userId: text }),
  event("share.refused", { shareId: text, userId: text, code: text }),
  /** No ticket was given: `code` and `detail` say why, `heldBy` which session was in the way. */
  event("ticket.denied", {
    code: text,
    detail: text.exactOptional(),
    heldBy: text.exactOptional(),
  }),
  event("ticket.issued", {
    grantId: text,
    expiresAt: text,
    /** Absent from records of the first build. */
    placement: placementSchema.optional(),
  }),
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
  event("policy.created", { policyId: text, name: text, rules: policyText }),
  /** What was changed, as JSON of name, description and rules, before and after. */
  event("policy.changed", { policyId: text, name: text, before: policyText, after: policyText }),
  event("policy.deleted", { policyId: text, name: text, rules: policyText }),
  event("policy.attached", attachment),
  event("policy.detached", attachment),
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
  /** A key of its own that it may change to. */
  event("relay.key-offered", { fingerprint: text }),
  event("relay.key-rotated", { from: text, to: text }),
  event("relay.ticket-key-rotated", { epoch: z.int() }),
  event("relay.certificate-renewed", { serial: text, notAfter: text }),
  /** The operator's own certificate, named in console files from now on. */
  event("relay.certificate-reported", { serial: text, subject: text, notAfter: text }),
  event("relay.certificate-refused", { code: text, detail: text }),
  /** The relay shows the certificate again that the control plane signed. */
  event("relay.certificate-reverted", {}),
  event("relay.certificate-expiring", { notAfter: text }),
  event("signing-key.created", { kid: text }),
  event("signing-key.activated", { kid: text }),
  event("signing-key.retired", { kid: text, verifiesUntil: text }),
  /** Named by the SHA-256 of its public key. */
  event("authority.key-stored", { authority: text }),
  /** Secrets of a column that were sealed with the current key in the place of an older one. */
  event("secrets.reencrypted", { column: text, keyId: text, count: z.int().nonnegative() }),
  /** Somebody took events away as a file; with which filters. */
  event("audit.exported", { query: text }),
  /** Events that were stored before that time may be deleted from now on. */
  event("audit.retention-applied", { before: text, checkpoint: z.int() }),
  /** A chain of this trail is, from that link on, not what was stored. */
  event("audit.broken", { writer: text, seq: z.int() }),
  /** Of a webhook's address only the origin is told: the rest may be a credential. */
  event("webhook.created", { origin: text, events: z.array(text) }),
  event("webhook.updated", { origin: text, changes: fieldChangesSchema }),
  event("webhook.deleted", { origin: text }),
  event("webhook.secret-rotated", { origin: text }),
  /** Its receiver took nothing for days, or said that it is gone for good. */
  event("webhook.disabled", { origin: text, reason: text }),
  /** Its events are delivered again; `skipped` of them were deleted by retention before. */
  event("webhook.enabled", { origin: text, skipped: z.int().nonnegative() }),
  event("webhook.redriven", { origin: text, message: text }),
  /** Somebody had a job of the clock run at once. */
  event("job.run-requested", { job: text }),
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

export const AUDIT_EVENT_TYPES: readonly AuditEventType[] = auditEventSchema.options.map(
  (option) => option.shape.type.value,
);

/** Who did it. */
export const ACTOR_KINDS = ["user", "guest", "relay", "system", "anonymous"] as const;
export type ActorKind = (typeof ACTOR_KINDS)[number];

/** An event with its circumstances, to be stored; how it is read again is stored-event.ts's. */
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
  /** What else it is about: the id of a user, a group, a token, a policy, … */
  readonly subjectId?: string | null;
  readonly event: AuditEvent;
}
