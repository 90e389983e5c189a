/**
 * Gives out tickets: makes a session, chooses a relay, mints the ticket, signs the grant and sees
 * it acknowledged by the relay before anybody gets the ticket. A relay that does not acknowledge is
 * passed over, and its ticket is void. Stores neither the ticket nor the console file's address.
 */
import { toBase64Url } from "#shared/base/bytes.ts";
import { newId } from "#shared/base/ids.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import type { PartialPolicy, Policy } from "#shared/policy/policy.ts";
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
import { listOnlineRelays } from "../repositories/relays.ts";
import { markSessionFailed, storeFailedSession } from "../repositories/sessions.ts";
import { storeWithAudit } from "../repositories/store-with-audit.ts";
import {
  replaceTicket,
  storeSessionWithTicket,
  type TicketRow,
  withdrawTicket,
} from "../repositories/tickets.ts";
import { judgeConsole } from "./access.ts";
import { auditRecord } from "./audit-record.ts";
import { effectivePolicy, narrowPolicy } from "./console-policy.ts";
import type { Caller, PushFailure, ServiceContext } from "./context.ts";
import { signGrant } from "./grant-signer.ts";
import { rankRelays, relaysFor } from "./placement.ts";
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
 * Fails with `resource.not-found`, with `console.access-too-low`, with `console.in-use` (the detail says since when), with
 * `console.no-relay` (the detail says why for each relay that was tried), or with
 * `target.unreadable` when the console's password cannot be unsealed.
 */
export async function issueTicket(
  context: ServiceContext,
  caller: TicketCaller,
  consoleId: string,
  way: Way = "tls",
): Promise<Result<IssuedTicket, Failure>> {
  const [row, online] = await Promise.all([
    findConsole(context.database, { id: consoleId, userId: caller.actorId }),
    listOnlineRelays(context.database),
  ]);
  const judged = judgeConsole(caller, row, "open");
  if (!judged.ok) {
    return await recordDenial(context, caller, { failure: judged.error, consoleId });
  }
  const wish = { caller, userId: caller.actorId, console: judged.value, online, way, share: null };
  return await openConsole(context, wish);
}

/** Somebody's wish for one console, who may open it. */
export interface OpeningWish {
  readonly caller: Caller;
  /** Whose session it becomes. */
  readonly userId: string;
  readonly console: ConsoleRow;
  readonly online: Awaited<ReturnType<typeof listOnlineRelays>>;
  readonly way: Way;
  /** The link that the caller comes through; one of its uses is taken with the ticket. */
  readonly share: ShareUse | null;
}

/** What a link adds to an opening. */
export interface ShareUse {
  readonly id: string;
  /** Rules that make the session stricter. */
  readonly policy: PartialPolicy | null;
}

/**
 * As {@link issueTicket}, for whom it was judged that they may open the console.
 *
 * @throws {Error} a check violation when the link has no use left (see database-errors.ts).
 */
export async function openConsole(
  context: ServiceContext,
  wish: OpeningWish,
): Promise<Result<IssuedTicket, Failure>> {
  const { caller, userId, console: row, online, way, share } = wish;
  const policy = narrowPolicy(effectivePolicy(row), share?.policy ?? null);
  const free =
    policy.secondViewer === "refuse" ? await refuseSecondViewer(context, caller, row.id) : ok(null);
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
    policy,
    way,
    password: password.value,
    sessionId: newId("session", context.randomBytes),
  };
  const candidates = relaysFor(online, way);
  if (!candidates.ok) {
    return await failWithoutRelay(context, opening, candidates.error);
  }
  const ranked = rankRelays(candidates.value, row.id);
  return await offerToRelays(context, opening, ranked.slice(0, RELAYS_TRIED_MAX));
}

/** A wish that is carried out. */
interface Opening extends Omit<OpeningWish, "online"> {
  readonly policy: Policy;
  /** The hypervisor's own, in clear; lives in memory only. */
  readonly password: string | null;
  readonly sessionId: string;
}

/** What placement and tickets need of a relay. */
interface TicketRelay {
  readonly id: string;
  readonly name: string;
  readonly ticketEpoch: number;
}

interface PreparedTicket {
  readonly row: TicketRow;
  readonly issued: IssuedTicket;
}

/** Offers the session to one relay after the other until one acknowledges its grant. */
async function offerToRelays(
  context: ServiceContext,
  opening: Opening,
  relays: readonly TicketRelay[],
): Promise<Result<IssuedTicket, Failure>> {
  const reasons: string[] = [];
  for (const relay of relays) {
    const prepared = await prepareTicket(context, opening, relay);
    await storeTicket(context, opening, { prepared, first: reasons.length === 0 });
    const pushed = await context.hubs.push(relay.id, {
      kind: "grant",
      grant: prepared.row.grantJws,
    });
    if (pushed.ok) {
      return ok(prepared.issued);
    }
    reasons.push(`${relay.name}: ${pushed.error.code}`);
    await takeBack(context, opening, { ticket: prepared.row, failure: pushed.error });
  }
  return await failAfterRelays(context, opening, reasons.join("; "));
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
    sub: opening.userId,
    jti: grantId,
    iat: Math.floor(issuedAtMs / 1000),
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
  storing: { readonly prepared: PreparedTicket; readonly first: boolean },
): Promise<void> {
  const { row: ticket } = storing.prepared;
  const audit = auditRecord(
    context,
    opening.caller,
    {
      type: "ticket.issued",
      data: { grantId: ticket.grantId, expiresAt: new Date(ticket.expiresAtMs).toISOString() },
    },
    subjectsOf(opening, ticket.relayId),
  );
  if (storing.first) {
    const session = { ...pendingSession(context, opening), relayId: ticket.relayId };
    const audits = [...shareRecords(context, opening), audit];
    await storeSessionWithTicket(context.database, { session, ticket, audits });
  } else {
    await replaceTicket(context.database, ticket, audit);
  }
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
  if (offer.failure.code === "control.ack-timeout") {
    context.defer?.(context.hubs.push(relayId, { kind: "withdraw", sessionId }));
  }
}

/** Who may not even see the console is told what strangers are, and leaves no trace. */
async function recordDenial(
  context: ServiceContext,
  caller: Caller,
  denial: { readonly failure: Failure; readonly consoleId: string },
): Promise<Result<never, Failure>> {
  const { failure, consoleId } = denial;
  if (failure.code !== "resource.not-found") {
    const event = { type: "ticket.denied", data: { code: failure.code } } as const;
    await storeWithAudit(context.database, [auditRecord(context, caller, event, { consoleId })]);
  }
  return fail(failure);
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
  reasons: string,
): Promise<Result<never, Failure>> {
  const failure: Failure = { code: "console.no-relay", detail: `No relay took it: ${reasons}.` };
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
    userId: opening.userId,
    state: "pending" as const,
    createdAtMs: context.nowMs(),
    secondViewer: opening.policy.secondViewer,
    shareId: opening.share?.id ?? null,
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
/** With each unreachable relay costing an acknowledgement's deadline, more would not be waited for. */
export const RELAYS_TRIED_MAX = 3;
/** The console file's address is this path and a token. */
const CONSOLE_FILE_PATH = "/api/v1/vv/";
const SEAL_KEY_BYTES = 32;
