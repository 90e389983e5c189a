/**
 * Links by which somebody without an account opens one console: issued by its owner or an admin, for
 * a time and a number of uses. A link is worth what its issuer's right to the console is worth at the
 * moment of its use. Its token is shown once and stored as a hash.
 */
import { newId } from "#shared/base/ids.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import type { PartialPolicy } from "#shared/policy/policy.ts";
import { may } from "../identity/permissions.ts";
import { hashSecretToken, newSecretToken } from "../identity/secret-token.ts";
import { findConsole } from "../repositories/consoles.ts";
import {
  findShare,
  insertShare,
  listShares,
  markShareRevoked,
  type ShareCursor,
  type ShareSummary,
} from "../repositories/shares.ts";
import { judgeConsole } from "./access.ts";
import { auditRecord } from "./audit-record.ts";
import { readPolicy, writePolicy } from "./stored-policy.ts";
import type { ActingUser, Caller, ServiceContext } from "./context.ts";
import { announceDenial, prepareDenial } from "./denials.ts";
import { endSessions, listEndable } from "./end-sessions.ts";
import { findPolicyWarnings, type PolicyWarning } from "./policy-warnings.ts";

export interface NewShare {
  readonly consoleId: string;
  readonly expiresInS: number;
  readonly usesMax: number;
  /** Rules that make its sessions stricter than the console's own. */
  readonly policy?: PartialPolicy | undefined;
  /** For the issuer to know it again. */
  readonly label?: string | undefined;
}

export const SHARE_STATES = ["active", "used-up", "expired", "revoked", "console-deleted"] as const;

/** Why a link opens nothing any more; `active` opens. */
export type ShareState = (typeof SHARE_STATES)[number];

export interface ShareView extends Omit<ShareSummary, "policy" | "consoleDeletedAtMs"> {
  readonly policy: PartialPolicy | null;
  readonly state: ShareState;
}

export interface IssuedLink {
  readonly share: ShareView;
  /** Has the token: it is not shown again. */
  readonly url: string;
  /** What of the link's own rules no relay that is online can keep: it would open nothing. */
  readonly warnings: readonly PolicyWarning[];
}

/**
 * Issues a link. Fails with `resource.not-found` where the console is not there for the caller, and
 * with `console.access-too-low` where they see it and do not own it.
 */
export async function issueShare(
  context: ServiceContext,
  caller: ActingUser,
  input: NewShare,
): Promise<Result<IssuedLink, Failure>> {
  const wanted = { id: input.consoleId, userId: caller.actorId };
  const console = judgeIssuer(caller, await findConsole(context.database, wanted));
  if (!console.ok) {
    return console;
  }
  const createdAtMs = context.nowMs();
  const token = newSecretToken("shareLink", context.randomBytes);
  const row = {
    id: newId("share", context.randomBytes),
    tokenHash: await hashSecretToken(token),
    consoleId: input.consoleId,
    issuerId: caller.actorId,
    label: input.label ?? null,
    policy: writePolicy(input.policy ?? null),
    usesMax: input.usesMax,
    usesLeft: input.usesMax,
    createdAtMs,
    expiresAtMs: createdAtMs + input.expiresInS * 1000,
  };
  const data = {
    shareId: row.id,
    userId: caller.actorId,
    label: row.label ?? "",
    usesMax: row.usesMax,
    expiresAt: new Date(row.expiresAtMs).toISOString(),
    policy: Object.keys(input.policy ?? {})
      .sort()
      .join(","),
  };
  const { consoleId } = row;
  const audit = auditRecord(context, caller, { type: "share.created", data }, { consoleId });
  const warnings = await findPolicyWarnings(context, input.policy ?? null);
  await insertShare(context.database, row, audit);
  const stored = await findShare(context.database, row.id);
  return stored === null
    ? fail({ code: "resource.not-found", detail: "" })
    : ok({
        share: viewShare(stored, createdAtMs),
        url: `${context.settings.publicUrl}${SHARE_PAGE_PATH}#${token}`,
        warnings,
      });
}

/** A page of the caller's links, newest first, or of everybody's to whoever manages them all. */
export async function pageShares(
  context: ServiceContext,
  caller: ActingUser,
  page: {
    readonly consoleId: string | undefined;
    readonly after: ShareCursor | null;
    readonly limit: number;
  },
): Promise<{ readonly items: ShareView[]; readonly next: ShareCursor | null }> {
  const rows = await listShares(context.database, {
    ...page,
    issuerId: may(caller, "shares.manage-all") ? null : caller.actorId,
    // One more than asked for tells whether there is another page.
    limit: page.limit + 1,
  });
  const last = rows.length > page.limit ? rows[page.limit - 1] : undefined;
  return {
    items: rows.slice(0, page.limit).map((row) => viewShare(row, context.nowMs())),
    next: last === undefined ? null : { createdAtMs: last.createdAtMs, id: last.id },
  };
}

/** Fails with `resource.not-found`, also for another user's link. */
export async function readShare(
  context: ServiceContext,
  caller: ActingUser,
  id: string,
): Promise<Result<ShareView, Failure>> {
  const row = await findShare(context.database, id);
  return row === null || !isIssuersOrAdmins(row, caller)
    ? fail({ code: "resource.not-found", detail: "" })
    : ok(viewShare(row, context.nowMs()));
}

/** What became of the sessions of a link that was revoked. */
export interface Revocation {
  /** Sessions that their relays end now. */
  readonly sessionsEnding: number;
  /** Sessions whose relays could not be told now; they are told when they come back. */
  readonly sessionsWaiting: number;
}

/**
 * Revokes a link, and where it is wished ends the sessions that it opened, also of a link that is
 * revoked already. Fails with `resource.not-found`.
 */
export async function revokeShare(
  context: ServiceContext,
  caller: ActingUser,
  revocation: { readonly id: string; readonly endSessions: boolean },
): Promise<Result<Revocation, Failure>> {
  const { id, endSessions: endsSessions } = revocation;
  const share = await findShare(context.database, id);
  if (share === null || !isIssuersOrAdmins(share, caller)) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  const { issuerId: userId, consoleId } = share;
  const event = { type: "share.revoked", data: { shareId: id, userId } } as const;
  const audit = auditRecord(context, caller, event, { consoleId });
  const reason = "its link was revoked";
  const about = { subject: "share", id, reason } as const;
  const denial = endsSessions ? prepareDenial(context, caller, about) : null;
  await markShareRevoked(context.database, { id, atMs: context.nowMs(), denial }, audit);
  if (denial === null) {
    return ok({ sessionsEnding: 0, sessionsWaiting: 0 });
  }
  // Afterwards, because until then it could open another one.
  const live = await listEndable(context, { shareId: id }, share.usesMax);
  const { ending, unreached } = await endSessions(context, caller, live, () => reason);
  await announceDenial(context, about);
  return ok({ sessionsEnding: ending.length, sessionsWaiting: unreached.length });
}

/** Whoever owns the console may share it, and whoever manages all links any that they see. */
export function judgeIssuer<Console extends { readonly granted: "view" | "open" | "own" | null }>(
  issuer: Pick<Caller, "permissions">,
  console: Console | null,
): Result<Console, Failure> {
  const managesAll = may(issuer, "shares.manage-all");
  if (!managesAll && !may(issuer, "shares.manage")) {
    return fail({ code: "auth.forbidden", detail: "" });
  }
  return judgeConsole(issuer, console, managesAll ? "open" : "own");
}

export function stateOf(share: ShareSummary, nowMs: number): ShareState {
  if (share.revokedAtMs !== null) {
    return "revoked";
  }
  if (share.consoleDeletedAtMs !== null) {
    return "console-deleted";
  }
  if (share.expiresAtMs <= nowMs) {
    return "expired";
  }
  return share.usesLeft === 0 ? "used-up" : "active";
}

function viewShare(row: ShareSummary, nowMs: number): ShareView {
  const { policy, consoleDeletedAtMs: _told, ...share } = row;
  return { ...share, policy: readPolicy(policy), state: stateOf(row, nowMs) };
}

function isIssuersOrAdmins(share: ShareSummary, caller: ActingUser): boolean {
  return share.issuerId === caller.actorId || may(caller, "shares.manage-all");
}

/** The page that opens a link. The token is in the fragment, which browsers send to nobody. */
export const SHARE_PAGE_PATH = "/s";
