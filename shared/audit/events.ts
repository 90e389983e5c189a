/**
 * The audit trail: one closed union of what can have happened. Each row is written in the same
 * transaction as the change that it tells of. No event holds a secret.
 */
import { z } from "zod";
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
  "never-opened",
  "failed",
] as const;

export type SessionEndReason = (typeof SESSION_END_REASONS)[number];

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

const event = <Type extends string, Data extends z.ZodRawShape>(type: Type, data: Data) =>
  z.object({ type: z.literal(type), data: z.object(data) });

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
  event("ticket.issued", { grantId: text, expiresAt: text }),
  event("ticket.withdrawn", { grantId: text, code: text }),
  event("ticket.downloaded", {}),
  event("ticket.refused", { reason: z.enum(TICKET_REFUSAL_REASONS), channel: text }),
  event("session.failed", { code: text, detail: text }),
  event("session.opened", {}),
  event("session.resumed", {}),
  event("session.ended", {
    reason: z.enum(SESSION_END_REASONS),
    clientBytes: bytes,
    serverBytes: bytes,
  }),
  event("session.terminate-requested", {}),
  event("channel.opened", { channel: z.enum(CHANNEL_NAMES), channelId: z.int() }),
  event("channel.closed", {
    channel: z.enum(CHANNEL_NAMES),
    channelId: z.int(),
    reason: text,
    clientBytes: bytes,
    serverBytes: bytes,
  }),
  event("channel.refused", { channel: text, channelId: z.int(), code: text, detail: text }),
  event("join-token.created", { expiresAt: text }),
  event("relay.enrolled", { name: text, fingerprint: text }),
  event("relay.online", { build: text }),
  event("relay.offline", { code: text }),
  event("relay.refused", { code: text, detail: text }),
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
