/** How an opening ends without a ticket, and what is recorded of it. */
import { fail, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { markSessionFailed, storeFailedSession } from "../repositories/sessions.ts";
import { auditRecord } from "./audit-record.ts";
import type { ServiceContext } from "./context.ts";
import { limitOf, type Opening, pendingSession, subjectsOf } from "./opening.ts";
import { sayLimit } from "./session-limits.ts";
import { recordDenial } from "./ticket-terms.ts";

/** Before there is a session. */
export async function deny(
  context: ServiceContext,
  opening: Opening,
  failure: Failure,
): Promise<Result<never, Failure>> {
  const { caller, console: row } = opening;
  await recordDenial(context, caller, { consoleId: row.id, failure });
  return fail(failure);
}

/** Another session of the user has come first; one that a relay did not take ends here. */
export async function denyBeyondLimit(
  context: ServiceContext,
  opening: Opening,
  { first }: { readonly first: boolean },
): Promise<Result<never, Failure>> {
  const detail = await sayLimit(context, opening.caller, limitOf(opening));
  const failure: Failure = { code: "session.limit", detail };
  if (!first) {
    await failSession(context, opening, failure);
  }
  return await deny(context, opening, failure);
}

/** No relay was good enough to be asked; the session that failed is kept, for whoever looks. */
export async function failWithoutRelay(
  context: ServiceContext,
  opening: Opening,
  detail: string,
): Promise<Result<never, Failure>> {
  const failure: Failure = { code: "console.no-relay", detail };
  const session = {
    ...pendingSession(context, opening),
    state: "ended" as const,
    endedAtMs: context.nowMs(),
    endReason: "failed",
    endDetail: failure.detail,
  };
  await storeFailedSession(context.database, session, failureRecord(context, opening, failure));
  return fail(failure);
}

/** The session was offered, and ends now. */
export async function failAfterRelays(
  context: ServiceContext,
  opening: Opening,
  failure: Failure,
): Promise<Result<never, Failure>> {
  await failSession(context, opening, failure);
  return fail(failure);
}

async function failSession(
  context: ServiceContext,
  opening: Opening,
  failure: Failure,
): Promise<void> {
  const ending = { id: opening.sessionId, atMs: context.nowMs(), detail: failure.detail };
  await markSessionFailed(context.database, ending, failureRecord(context, opening, failure));
}

function failureRecord(context: ServiceContext, opening: Opening, failure: Failure) {
  const event = { type: "session.failed" as const, data: { ...failure } };
  return auditRecord(context, opening.caller, event, subjectsOf(opening));
}
