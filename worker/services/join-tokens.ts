/** Join tokens: each lets one new relay enrol, within minutes. Shown once, stored as a hash. */
import { newId } from "#shared/base/ids.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { hashSecretToken, newSecretToken } from "../identity/secret-token.ts";
import {
  type JoinTokenCursor,
  listPendingJoinTokens,
  markJoinTokenRevoked,
  type PendingJoinToken,
  storeJoinToken,
} from "../repositories/join-tokens.ts";
import { findSite } from "../repositories/sites.ts";
import { auditRecord } from "./audit-record.ts";
import type { ActingUser, Caller, ServiceContext } from "./context.ts";
import { type FieldFailure, invalidField } from "./field-failure.ts";
import { cutPage, timeCursor, withOneMore } from "./page.ts";

/** What the relay is bound to that enrols with the token. */
export interface JoinTokenWish {
  /** The name that it must have; absent: any. */
  readonly name?: string | undefined;
  /** The site that it will belong to; absent: the default site. */
  readonly siteId?: string | undefined;
  /** How long the token is good; absent: JOIN_TOKEN_TTL_MS. */
  readonly minutes?: number | undefined;
}

export interface IssuedJoinToken {
  readonly id: string;
  readonly joinToken: string;
  readonly expiresAtMs: number;
}

/**
 * Makes a join token. The caller may manage relays; the route has seen to that.
 * Fails with `request.invalid` when there is no such site.
 */
export async function issueJoinToken(
  context: ServiceContext,
  caller: ActingUser,
  wish: JoinTokenWish = {},
): Promise<Result<IssuedJoinToken, FieldFailure>> {
  const { name = null, siteId = null, minutes } = wish;
  if (siteId !== null && (await findSite(context.database, siteId)) === null) {
    return fail(invalidField("siteId", "there is no such site"));
  }
  const id = newId("joinToken", context.randomBytes);
  const joinToken = newSecretToken("joinToken", context.randomBytes);
  const createdAtMs = context.nowMs();
  const ttlMs = minutes === undefined ? JOIN_TOKEN_TTL_MS : minutes * 60_000;
  const expiresAtMs = createdAtMs + ttlMs;
  await storeJoinToken(
    context.database,
    {
      ...{ id, name, siteId, createdAtMs, expiresAtMs },
      tokenHash: await hashSecretToken(joinToken),
      createdBy: caller.actorId,
    },
    auditRecord(context, caller, {
      type: "join-token.created",
      data: { expiresAt: new Date(expiresAtMs).toISOString(), name, siteId },
    }),
  );
  return ok({ id, joinToken, expiresAtMs });
}

/** A page of the tokens that can still be used, newest first. */
export async function pageJoinTokens(
  context: ServiceContext,
  page: { readonly after: JoinTokenCursor | null; readonly limit: number },
): Promise<{ readonly items: PendingJoinToken[]; readonly next: JoinTokenCursor | null }> {
  const wanted = { ...withOneMore(page), nowMs: context.nowMs() };
  const rows = await listPendingJoinTokens(context.database, wanted);
  const { items, last } = cutPage(rows, page.limit);
  return { items, next: timeCursor(last) };
}

/** Fails with `resource.not-found`, also for a token that was used or has expired. */
export async function revokeJoinToken(
  context: ServiceContext,
  caller: Caller,
  id: string,
): Promise<Result<null, Failure>> {
  const event = { type: "join-token.revoked", data: { joinTokenId: id } } as const;
  const revoked = await markJoinTokenRevoked(
    context.database,
    { id, atMs: context.nowMs() },
    auditRecord(context, caller, event),
  );
  return revoked ? ok(null) : fail({ code: "resource.not-found", detail: "" });
}

/** Enough to paste the token into a relay's configuration and start it. */
export const JOIN_TOKEN_TTL_MS = 10 * 60_000;
/** A day: whoever prepares a machine over night still has one that works; more is a lost secret. */
export const JOIN_TOKEN_MINUTES_MAX = 1_440;
