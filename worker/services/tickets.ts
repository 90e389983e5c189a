/**
 * Gives out tickets: judges who may open the console and on which terms, chooses the relays to ask,
 * and has one of them take the session. Stores neither the ticket nor the console file's address.
 */
import { newId } from "#shared/base/ids.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import type { Way } from "#shared/ticket/way.ts";
import { type ConsoleRow, findConsole } from "../repositories/consoles.ts";
import { isCheckViolation } from "../repositories/database-errors.ts";
import { listRelaysForConsole } from "../repositories/placement.ts";
import { judgeConsole } from "./access.ts";
import type { ActingUser, Caller, ServiceContext } from "./context.ts";
import { offerToRelays } from "./offer-ticket.ts";
import type { Opening, OpeningWish } from "./opening.ts";
import { placeConsole, readPlaceable, sayUnenforceable } from "./placement.ts";
import type { IssuedTicket } from "./prepare-ticket.ts";
import { deny, failWithoutRelay } from "./refuse-opening.ts";
import { refuseSecondViewer } from "./second-viewers.ts";
import { unsealSecret } from "./secrets.ts";
import { findTicketTerms, recordDenial } from "./ticket-terms.ts";

/**
 * Fails with `resource.not-found`, with `console.access-too-low`, with `console.in-use` (the detail
 * says since when), with what the policies say (`policy.outside-hours`, `policy.no-channels`,
 * `policy.unenforceable`, `session.limit`), with `console.no-relay` (the detail says why), with
 * `target.unreadable` when the console's password cannot be unsealed, with `signing-key.unreadable`,
 * with `auth.revoked` when the user was denied meanwhile, or with `auth.required` for a user who was
 * disabled meanwhile.
 */
export async function issueTicket(
  context: ServiceContext,
  caller: ActingUser,
  consoleId: string,
  way: Way = "tls",
): Promise<Result<IssuedTicket, Failure>> {
  const [row, placeable] = await Promise.all([
    findConsole(context.database, { id: consoleId, userId: caller.actorId }),
    listRelaysForConsole(context.database, consoleId),
  ]);
  const judged = judgeConsole(caller, row, "open");
  if (!judged.ok) {
    return await refuseAccess(context, caller, { failure: judged.error, consoleId });
  }
  const wish = {
    caller,
    userId: caller.actorId,
    console: judged.value,
    placeable,
    way,
    share: null,
  };
  try {
    return await openConsole(context, wish);
  } catch (error) {
    if (isCheckViolation(error)) {
      return fail({ code: "auth.required", detail: "The user was disabled." });
    }
    throw error;
  }
}

/**
 * As {@link issueTicket}, for whom it was judged that they may open the console.
 *
 * @throws {Error} a check violation when the link has no use left, or when the session's user was
 * disabled meanwhile (see database-errors.ts).
 */
export async function openConsole(
  context: ServiceContext,
  wish: OpeningWish,
): Promise<Result<IssuedTicket, Failure>> {
  const { caller, userId, console: row, placeable, way, share } = wish;
  const subject = { console: row, userId, share: share?.policy ?? null };
  const terms = await findTicketTerms(context, caller, subject);
  if (!terms.ok) {
    return terms;
  }
  const free =
    terms.value.policy.secondViewer === "refuse"
      ? await refuseSecondViewer(context, caller, row.id)
      : ok(null);
  if (!free.ok) {
    return free;
  }
  const password = await unsealPassword(context, row);
  if (!password.ok) {
    return password;
  }
  const opening: Opening = {
    caller,
    userId,
    share,
    console: row,
    terms: terms.value,
    way,
    password: password.value,
    sessionId: newId("session", context.randomBytes),
  };
  const { sites, relays } = readPlaceable(placeable);
  const { needs } = opening.terms;
  const unenforceable = sayUnenforceable(needs, relays);
  if (unenforceable !== null) {
    return await deny(context, opening, unenforceable);
  }
  const placement = placeConsole({ consoleId: row.id, way, needs }, sites, relays);
  return placement.ok
    ? await offerToRelays(context, opening, placement.value)
    : await failWithoutRelay(context, opening, placement.error);
}

/** Who may not even see the console is told what strangers are, and leaves no trace. */
async function refuseAccess(
  context: ServiceContext,
  caller: Caller,
  denial: { readonly failure: Failure; readonly consoleId: string },
): Promise<Result<never, Failure>> {
  if (denial.failure.code !== "resource.not-found") {
    await recordDenial(context, caller, denial);
  }
  return fail(denial.failure);
}

async function unsealPassword(
  context: ServiceContext,
  row: ConsoleRow,
): Promise<Result<string | null, Failure>> {
  if (row.sealedPassword === null) {
    return ok(null);
  }
  const place = { column: "consoles.sealed_password", rowId: row.id } as const;
  const password = await unsealSecret(context, place, row.sealedPassword);
  return password === null
    ? fail({ code: "target.unreadable", detail: "No key in SECRETS_KEYS opens it." })
    : ok(password);
}
