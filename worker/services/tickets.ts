/**
 * Gives out tickets: makes a session, chooses a relay, mints the ticket, signs the grant and sees
 * it acknowledged by the relay before anybody gets the ticket. A relay that does not acknowledge is
 * passed over, and its ticket is void. Stores neither the ticket nor the console file's address.
 */
import type { PlacementRecord } from "#shared/audit/events.ts";
import { toBase64Url } from "#shared/base/bytes.ts";
import { newId } from "#shared/base/ids.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { GrantSubjects } from "#shared/control/denials.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import type { Policy } from "#shared/policy/policy.ts";
import type { Target } from "#shared/ticket/grant.ts";
import { seal, unseal } from "#shared/ticket/seal.ts";
import {
  deriveRelayBytes,
  deriveTicketKey,
  hashTicket,
  mintTicket,
  TICKET_ID_BYTES,
} from "#shared/ticket/ticket.ts";
import type { Way } from "#shared/ticket/way.ts";
import { hashSecretToken, newSecretToken } from "../identity/secret-token.ts";
import { type ConsoleRow, findConsole } from "../repositories/consoles.ts";
import { listRelaysForConsole } from "../repositories/placement.ts";
import { markSessionFailed, storeFailedSession } from "../repositories/sessions.ts";
import {
  replaceTicket,
  storeSessionWithTicket,
  type TicketRow,
  withdrawTicket,
} from "../repositories/tickets.ts";
import { auditRecord } from "./audit-record.ts";
import { effectivePolicy } from "./console-policy.ts";
import { mayOpen } from "./consoles.ts";
import type { Caller, PushFailure, ServiceContext } from "./context.ts";
import { isDenied } from "./denials.ts";
import { signGrant } from "./grant-signer.ts";
import {
  type Placement,
  placeConsole,
  readPlaceable,
  recordPlacement,
  type TicketRelay,
} from "./placement.ts";
import { refuseSecondViewer } from "./second-viewers.ts";

export interface IssuedTicket {
  readonly sessionId: string;
  /** Gives the console file once; whoever has it can open the console. */
  readonly vvUrl: string;
  readonly expiresAtMs: number;
}

/** A user who is logged in. */
export interface TicketCaller extends Caller {
  readonly actorId: string;
}

/**
 * Fails with `resource.not-found`, with `console.in-use` (the detail says since when), with
 * `console.no-relay` (the detail says why), with `target.unreadable` when the console's password
 * cannot be unsealed, or with `auth.revoked` when the user was denied meanwhile.
 */
export async function issueTicket(
  context: ServiceContext,
  caller: TicketCaller,
  consoleId: string,
  way: Way = "tls",
): Promise<Result<IssuedTicket, Failure>> {
  const [row, placeable] = await Promise.all([
    findConsole(context.database, consoleId),
    listRelaysForConsole(context.database, consoleId),
  ]);
  if (row === null || !mayOpen(caller, row)) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  const policy = effectivePolicy(row);
  const free =
    policy.secondViewer === "refuse"
      ? await refuseSecondViewer(context, caller, consoleId)
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
    console: row,
    policy,
    way,
    password: password.value,
    sessionId: newId("session", context.randomBytes),
  };
  const { sites, relays } = readPlaceable(placeable);
  const placement = placeConsole({ consoleId, way, needs: [] }, sites, relays);
  return placement.ok
    ? await offerToRelays(context, opening, placement.value)
    : await failWithoutRelay(context, opening, placement.error);
}

/** One user's wish for one console. */
interface Opening {
  readonly caller: TicketCaller;
  readonly console: ConsoleRow;
  readonly policy: Policy;
  readonly way: Way;
  /** The hypervisor's own, in clear; lives in memory only. */
  readonly password: string | null;
  readonly sessionId: string;
}

interface PreparedTicket {
  readonly row: TicketRow;
  readonly subjects: GrantSubjects;
  readonly issued: IssuedTicket;
}

/** Offers the session to one relay after the other until one acknowledges its grant. */
async function offerToRelays(
  context: ServiceContext,
  opening: Opening,
  placement: Placement<TicketRelay>,
): Promise<Result<IssuedTicket, Failure>> {
  const tried: { readonly relay: string; readonly code: string }[] = [];
  for (const relay of placement.ranked) {
    const prepared = await prepareTicket(context, opening, relay);
    const first = tried.length === 0;
    const record = recordPlacement(placement, relay, tried);
    await storeTicket(context, opening, { prepared, first, record });
    const [pushed, denied] = await Promise.all([
      context.hubs.push(relay.id, { kind: "grant", grant: prepared.row.grantJws }),
      // Asked for behind the storing, so that of a denial and a ticket one sees the other.
      isDenied(context, prepared.subjects),
    ]);
    if (pushed.ok && !denied) {
      return ok(prepared.issued);
    }
    const failure = pushed.ok ? DENIED : pushed.error;
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

/** Makes the ticket, the console file's address and the signed grant for one relay. */
async function prepareTicket(
  context: ServiceContext,
  opening: Opening,
  relay: TicketRelay,
): Promise<PreparedTicket> {
  const { settings, randomBytes } = context;
  const issuedAtMs = context.nowMs();
  const expiresAtS = Math.floor((issuedAtMs + TICKET_TTL_MS) / 1000);
  const ticketId = Uint8Array.from(randomBytes(TICKET_ID_BYTES));
  const key = await deriveTicketKey(settings.ticketRoot, relay.id, relay.ticketEpoch);
  const ticketHash = await hashTicket(await mintTicket(key, { ticketId, expiresAtS }));
  const vvToken = newSecretToken("consoleFile", randomBytes);
  const grantId = newId("grant", randomBytes);
  const grantJws = await signGrant(settings.grantSigningKey, {
    iss: settings.publicUrl,
    aud: relay.id,
    sub: opening.caller.actorId,
    jti: grantId,
    iat: Math.floor(issuedAtMs / 1000),
    issuedAtMs,
    exp: expiresAtS,
    sessionId: opening.sessionId,
    consoleId: opening.console.id,
    ticketHash,
    target: await sealTarget(context, opening, relay),
    policy: opening.policy,
  });
  const expiresAtMs = expiresAtS * 1000;
  return {
    row: {
      sessionId: opening.sessionId,
      relayId: relay.id,
      ticketId: toBase64Url(ticketId),
      ticketEpoch: relay.ticketEpoch,
      ticketHash,
      expiresAtMs,
      way: opening.way,
      vvTokenHash: await hashSecretToken(vvToken),
      grantId,
      grantJws,
    },
    subjects: {
      userId: opening.caller.actorId,
      consoleId: opening.console.id,
      sessionId: opening.sessionId,
      shareId: null,
      issuedAtMs,
    },
    issued: {
      sessionId: opening.sessionId,
      vvUrl: `${settings.publicUrl}${CONSOLE_FILE_PATH}${vvToken}`,
      expiresAtMs,
    },
  };
}

/** The console's address, its password sealed so that this relay alone can read it. */
async function sealTarget(
  context: ServiceContext,
  opening: Opening,
  relay: TicketRelay,
): Promise<Target> {
  const { host, port, tlsPort, ca, hostSubject, proxy } = opening.console;
  const address = { host, port, tlsPort, ca, hostSubject, proxy };
  if (opening.password === null) {
    return { ...address, sealedPassword: null };
  }
  const key = await deriveRelayBytes(
    {
      root: context.settings.ticketRoot,
      relayId: relay.id,
      epoch: relay.ticketEpoch,
      purpose: "target-seal",
    },
    SEAL_KEY_BYTES,
  );
  return { ...address, sealedPassword: await seal(key, opening.password, context.randomBytes) };
}

/** Stores the ticket before the relay hears of it, so that a look-up never misses it. */
async function storeTicket(
  context: ServiceContext,
  opening: Opening,
  storing: {
    readonly prepared: PreparedTicket;
    readonly first: boolean;
    readonly record: PlacementRecord;
  },
): Promise<void> {
  const { row: ticket } = storing.prepared;
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
    await storeSessionWithTicket(context.database, { session, ticket, audit });
  } else {
    await replaceTicket(context.database, ticket, audit);
  }
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
    context.defer?.(context.hubs.push(relayId, { kind: "withdraw", sessionId }));
  }
}

async function failWithoutRelay(
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

async function failAfterRelays(
  context: ServiceContext,
  opening: Opening,
  failure: Failure,
): Promise<Result<never, Failure>> {
  const ending = { id: opening.sessionId, atMs: context.nowMs(), detail: failure.detail };
  await markSessionFailed(context.database, ending, failureRecord(context, opening, failure));
  return fail(failure);
}

function failureRecord(context: ServiceContext, opening: Opening, failure: Failure) {
  const event = { type: "session.failed" as const, data: { ...failure } };
  return auditRecord(context, opening.caller, event, subjectsOf(opening));
}

function subjectsOf(opening: Opening, relayId?: string) {
  const { console: row, sessionId } = opening;
  return { consoleId: row.id, sessionId, ...(relayId === undefined ? {} : { relayId }) };
}

function pendingSession(context: ServiceContext, opening: Opening) {
  return {
    id: opening.sessionId,
    consoleId: opening.console.id,
    userId: opening.caller.actorId,
    state: "pending" as const,
    createdAtMs: context.nowMs(),
    secondViewer: opening.policy.secondViewer,
  };
}

async function unsealPassword(
  context: ServiceContext,
  row: ConsoleRow,
): Promise<Result<string | null, Failure>> {
  if (row.sealedPassword === null) {
    return ok(null);
  }
  const password = await unseal(context.settings.secretsKey, row.sealedPassword);
  return password === null
    ? fail({ code: "target.unreadable", detail: "It was sealed with another SECRETS_KEY." })
    : ok(password);
}

/** From the answer to the client's first link: enough to start a viewer by hand. */
export const TICKET_TTL_MS = 120_000;
/** After these the relay may have the grant, although its acknowledgement did not come. */
const MAY_HAVE_ARRIVED: ReadonlySet<string> = new Set([
  "control.ack-timeout",
  "control.hub-silent",
  "control.denied",
]);
/** What a grant is taken back for whose user, console or session was denied as it was made. */
const DENIED: PushFailure = { code: "control.denied", detail: "it was denied meanwhile" };
const REVOKED: Failure = { code: "auth.revoked", detail: "" };
/** The console file's address is this path and a token. */
const CONSOLE_FILE_PATH = "/api/v1/vv/";
const SEAL_KEY_BYTES = 32;
