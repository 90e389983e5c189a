/** Opening a console by a link, for a guest who has no account. */
import { fail, type Result } from "#shared/base/result.ts";
import type { ErrorCode, Failure } from "#shared/errors/catalogue.ts";
import type { Way } from "#shared/ticket/way.ts";
import { permissionsOf } from "../identity/permissions.ts";
import { hashSecretToken, isSecretToken } from "../identity/secret-token.ts";
import { findConsole } from "../repositories/consoles.ts";
import { isCheckViolation } from "../repositories/database-errors.ts";
import { listRelaysForConsole } from "../repositories/placement.ts";
import { findShareByToken, type IssuedShare } from "../repositories/shares.ts";
import { storeWithAudit } from "../repositories/store-with-audit.ts";
import { settleAttempt, takeAttempt } from "./attempts.ts";
import { auditRecord } from "./audit-record.ts";
import { readPolicy } from "./stored-policy.ts";
import type { Caller, ServiceContext } from "./context.ts";
import type { FieldFailure } from "./field-failure.ts";
import type { IssuedTicket } from "./prepare-ticket.ts";
import { judgeIssuer, type ShareState, stateOf } from "./shares.ts";
import { openConsole } from "./tickets.ts";

export interface ShareOpening {
  readonly token: string;
  readonly way: Way;
}

/**
 * Opens the link's console for a guest: the session is the issuer's, marked with the link. One use is
 * taken with the ticket, and given back when no relay takes it. Fails with `share.gone`, whatever
 * ended the link or if it never was; with `request.rate-limited`; or as a ticket does (see
 * issueTicket).
 */
export async function openShare(
  context: ServiceContext,
  caller: Caller,
  opening: ShareOpening,
): Promise<Result<IssuedTicket, FieldFailure>> {
  const attempt = await takeAttempt(context, caller, "share-link");
  if (!attempt.ok) {
    return attempt;
  }
  const share = isSecretToken("shareLink", opening.token)
    ? await findShareByToken(context.database, await hashSecretToken(opening.token))
    : null;
  if (share === null) {
    return fail(GONE);
  }
  const opened = await openFound(context, caller, { share, opening });
  if (!opened.ok) {
    return fail(tellGuest(opened.error));
  }
  await settleAttempt(context, attempt.value);
  return opened;
}

/** Names of sites and relays, and what is wrong with them, are not for guests. */
function tellGuest(failure: Failure): Failure {
  return INTERNAL_CODES.has(failure.code) ? { ...failure, detail: "" } : failure;
}

async function openFound(
  context: ServiceContext,
  caller: Caller,
  found: { readonly share: IssuedShare; readonly opening: ShareOpening },
): Promise<Result<IssuedTicket, Failure>> {
  const { share, opening } = found;
  const guest: Caller = { ...caller, actorKind: "guest", actorId: share.id };
  const wanted = { id: share.consoleId, userId: share.issuerId };
  const [console, placeable] = await Promise.all([
    findConsole(context.database, wanted),
    listRelaysForConsole(context.database, share.consoleId),
  ]);
  const state = stateOf(share, context.nowMs());
  const issuer = { permissions: permissionsOf(share.issuerRole) };
  const judged = judgeIssuer(issuer, console);
  if (state !== "active" || share.issuerIsGone || !judged.ok) {
    return await refuseGuest(context, guest, { share, why: whyRefused(share, state) });
  }
  const wish = {
    caller: guest,
    userId: share.issuerId,
    console: judged.value,
    placeable,
    way: opening.way,
    share: { id: share.id, policy: readPolicy(share.policy) },
  };
  try {
    return await openConsole(context, wish);
  } catch (error) {
    // Meanwhile somebody else took the last use, the link was revoked, or its issuer disabled.
    if (isCheckViolation(error)) {
      return await refuseGuest(context, guest, { share, why: await whyGone(context, opening) });
    }
    throw error;
  }
}

/** The exact reason is for the audit trail: a guest hears that the link is gone. */
async function refuseGuest(
  context: ServiceContext,
  guest: Caller,
  refusal: { readonly share: IssuedShare; readonly why: string },
): Promise<Result<never, Failure>> {
  const { id: shareId, issuerId: userId, consoleId } = refusal.share;
  const data = { shareId, userId, code: refusal.why };
  const audit = auditRecord(context, guest, { type: "share.refused", data }, { consoleId });
  await storeWithAudit(context.database, [audit]);
  return fail(GONE);
}

async function whyGone(context: ServiceContext, { token }: ShareOpening): Promise<string> {
  const share = await findShareByToken(context.database, await hashSecretToken(token));
  const state = share === null ? "used-up" : stateOf(share, context.nowMs());
  if (share?.issuerIsGone === true) {
    return "issuer-gone";
  }
  return state === "active" ? "used-up" : state;
}

function whyRefused(share: IssuedShare, state: ShareState): string {
  if (state !== "active") {
    return state;
  }
  return share.issuerIsGone ? "issuer-gone" : "issuer-lost-right";
}

const INTERNAL_CODES: ReadonlySet<ErrorCode> = new Set([
  "console.no-relay",
  "policy.unenforceable",
  "target.unreadable",
]);
const GONE: Failure = { code: "share.gone", detail: "" };
