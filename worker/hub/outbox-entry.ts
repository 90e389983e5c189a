/** One push that waits for the relay: what the hub's rules must know of its command, pure. */
import { z } from "zod";
import { fromBase64Url } from "#shared/base/bytes.ts";
import type { Command } from "#shared/control/contract.ts";
import {
  type Denial,
  type GrantSubjects,
  isVoidedBy,
  subjectsOfGrant,
} from "#shared/control/denials.ts";

/** What a grant opens, and until when it can be used, in milliseconds since 1970. */
export interface QueuedGrant extends GrantSubjects {
  readonly expiresAtMs: number;
}

/** A command without its text. */
export interface PushedCommand {
  readonly kind: Command["kind"];
  /** The session that a withdrawal or termination is about; null for all others. */
  readonly sessionId: string | null;
  /** Null for other commands, and for a grant that cannot be read. */
  readonly grant: QueuedGrant | null;
  readonly denials: readonly Denial[];
  /** Whether a drain begins; null for all others. */
  readonly drains: boolean | null;
  readonly sizeBytes: number;
}

export interface OutboxEntry extends PushedCommand {
  /** Its place in the outbox, and its row's key. Never used again. */
  readonly id: number;
  /** The number under which the present process of the relay was sent it; null: not sent. */
  readonly seq: number | null;
  /** Callers that wait for the acknowledgement. */
  readonly waiters: readonly Waiter[];
}

export interface Waiter {
  readonly id: string;
  readonly deadlineMs: number;
}

/** What the rules must know of a command. */
export function describeCommand(command: Command): PushedCommand {
  const { kind } = command;
  return {
    kind,
    sessionId: kind === "withdraw" || kind === "terminate" ? command.sessionId : null,
    grant: kind === "grant" ? readGrant(command.grant) : null,
    denials: kind === "deny" ? command.denials : [],
    drains: kind === "drain" ? command.order !== null : null,
    // Ids, base64url and reasons are ASCII but for the latter, so this is close enough for a bound.
    sizeBytes: JSON.stringify(command).length,
  };
}

/** A grant may wait its turn; every other command goes before those that wait. */
export function isGrant(command: Pick<PushedCommand, "kind">): boolean {
  return command.kind === "grant";
}

/** The welcome tells a relay of these, so that none has to be kept for one that is away. */
export function isToldByWelcome(command: Pick<PushedCommand, "kind">): boolean {
  return command.kind === "deny" || command.kind === "drain";
}

/** Whether the order leaves the waiting grant nothing to open. */
export function voids(order: PushedCommand, waiting: PushedCommand): boolean {
  const { grant } = waiting;
  if (grant === null) {
    return false;
  }
  return (
    (order.sessionId !== null && order.sessionId === grant.sessionId) ||
    order.denials.some((denial) => isVoidedBy(grant, denial))
  );
}

export function isExpired(command: PushedCommand, nowMs: number): boolean {
  return command.grant !== null && nowMs >= command.grant.expiresAtMs;
}

/** The claims of a grant of our own, whose signature nobody has to check again. */
function readGrant(jws: string): QueuedGrant | null {
  const payload = fromBase64Url(jws.split(".")[1] ?? "");
  try {
    const text = new TextDecoder().decode(payload ?? new Uint8Array());
    const claims = claimsSchema.safeParse(JSON.parse(text));
    return claims.success
      ? { ...subjectsOfGrant(claims.data), expiresAtMs: claims.data.exp * 1000 }
      : null;
  } catch {
    return null;
  }
}

const claimsSchema = z.object({
  sub: z.string(),
  iat: z.int(),
  exp: z.int(),
  issuedAtMs: z.int().optional(),
  sessionId: z.string(),
  consoleId: z.string(),
  shareId: z.string().optional(),
});
