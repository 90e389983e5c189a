/**
 * Offers a session to relays until one acknowledges its grant. Nobody gets the ticket before that: of
 * a relay that does not acknowledge it is taken back, and is void.
 */
import type { PlacementRecord } from "#shared/audit/events.ts";
import { ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import {
  replaceTicket,
  storeSessionWithTicket,
  type TicketRow,
  withdrawTicket,
} from "../repositories/tickets.ts";
import { auditRecord } from "./audit-record.ts";
import type { PushFailure, ServiceContext } from "./context.ts";
import { isDenied } from "./denials.ts";
import { limitOf, type Opening, pendingSession, subjectsOf } from "./opening.ts";
import { type Placement, recordPlacement, type TicketRelay } from "./placement.ts";
import { type IssuedTicket, type PreparedTicket, prepareTicket } from "./prepare-ticket.ts";
import { denyBeyondLimit, failAfterRelays } from "./refuse-opening.ts";
import { runLater } from "./run-later.ts";

/** One relay after the other is asked, best first. */
export async function offerToRelays(
  context: ServiceContext,
  opening: Opening,
  placement: Placement<TicketRelay>,
): Promise<Result<IssuedTicket, Failure>> {
  const tried: { readonly relay: string; readonly code: string }[] = [];
  for (const relay of placement.ranked) {
    const made = await prepareTicket(context, opening, relay);
    if (!made.ok) {
      // Before the first offer there is no session that could fail.
      return tried.length === 0 ? made : await failAfterRelays(context, opening, made.error);
    }
    const prepared = made.value;
    const record = recordPlacement(placement, relay, tried);
    const storing = { prepared, first: tried.length === 0, record };
    if (!(await storeTicket(context, opening, storing))) {
      return await denyBeyondLimit(context, opening, storing);
    }
    const [pushed, denied] = await Promise.all([
      context.hubs.push(relay.id, { kind: "grant", grant: prepared.row.grantJws }),
      // Asked for behind the storing, so that of a denial and a ticket one sees the other.
      isDenied(context, prepared.subjects),
    ]);
    if (pushed.ok && !denied) {
      return ok(prepared.issued);
    }
    const failure = pushed.ok ? DENIED : pushed.error;
    if (failure.code === "control.grant-invalid") {
      // The key may have been retired in an emergency that this isolate has not heard of: the next
      // offer is signed with what the database has by now.
      context.signingKeys.forget();
    }
    await takeBack(context, opening, { ticket: prepared.row, failure });
    if (denied || failure.code === DENIED.code) {
      return await failAfterRelays(context, opening, REVOKED);
    }
    tried.push({ relay: relay.name, code: failure.code });
  }
  const reasons = tried.map(({ relay, code }) => `${relay}: ${code}`).join("; ");
  const failure: Failure = { code: "console.no-relay", detail: `No relay took it: ${reasons}.` };
  return await failAfterRelays(context, opening, failure);
}

/**
 * Stores the ticket before the relay hears of it, so that a look-up never misses it. False when the
 * user has as many sessions as they may have: then nothing is stored.
 */
async function storeTicket(
  context: ServiceContext,
  opening: Opening,
  storing: {
    readonly prepared: PreparedTicket;
    readonly first: boolean;
    readonly record: PlacementRecord;
  },
): Promise<boolean> {
  const { row: ticket } = storing.prepared;
  const limit = limitOf(opening);
  const audit = auditRecord(
    context,
    opening.caller,
    {
      type: "ticket.issued",
      data: {
        grantId: ticket.grantId,
        expiresAt: new Date(ticket.expiresAtMs).toISOString(),
        placement: storing.record,
      },
    },
    subjectsOf(opening, ticket.relayId),
  );
  if (storing.first) {
    const session = { ...pendingSession(context, opening), relayId: ticket.relayId };
    const audits = [...shareRecords(context, opening), audit];
    return await storeSessionWithTicket(context.database, { session, ticket, audits }, limit);
  }
  return await replaceTicket(context.database, { ticket, audit }, limit);
}

function shareRecords(context: ServiceContext, opening: Opening) {
  const { caller, share, userId } = opening;
  if (share === null) {
    return [];
  }
  const event = { type: "share.opened" as const, data: { shareId: share.id, userId } };
  return [auditRecord(context, caller, event, subjectsOf(opening))];
}

/** Makes a ticket void that its relay did not acknowledge. Nobody has got it yet. */
async function takeBack(
  context: ServiceContext,
  opening: Opening,
  offer: { readonly ticket: TicketRow; readonly failure: PushFailure },
): Promise<void> {
  const { sessionId, grantId, relayId } = offer.ticket;
  const audit = auditRecord(
    context,
    opening.caller,
    { type: "ticket.withdrawn", data: { grantId, code: offer.failure.code } },
    subjectsOf(opening, relayId),
  );
  await withdrawTicket(context.database, { sessionId, grantId, atMs: context.nowMs() }, audit);
  // The grant may have arrived and only its acknowledgement be late: then the relay forgets it now
  // and not at its expiry. Nobody waits for that.
  if (MAY_HAVE_ARRIVED.has(offer.failure.code)) {
    await runLater(context, "ticket.withdraw", async () => {
      await context.hubs.push(relayId, { kind: "withdraw", sessionId });
    });
  }
}

/** After these the relay may have the grant, although its acknowledgement did not come. */
const MAY_HAVE_ARRIVED: ReadonlySet<string> = new Set([
  "control.ack-timeout",
  "control.hub-silent",
  "control.denied",
]);
/** What a grant is taken back for whose user, console or session was denied as it was made. */
const DENIED: PushFailure = { code: "control.denied", detail: "it was denied meanwhile" };
const REVOKED: Failure = { code: "auth.revoked", detail: "" };
