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
import type { PartialPolicy } from "#shared/policy/policy.ts";
import type { Target } from "#shared/ticket/grant.ts";
import { seal } from "#shared/ticket/seal.ts";
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
import { isCheckViolation } from "../repositories/database-errors.ts";
import { listRelaysForConsole, type PlacementRow } from "../repositories/placement.ts";
import { markSessionFailed, storeFailedSession } from "../repositories/sessions.ts";
import {
  replaceTicket,
  storeSessionWithTicket,
  type TicketRow,
  withdrawTicket,
} from "../repositories/tickets.ts";
import { judgeConsole } from "./access.ts";
import { auditRecord } from "./audit-record.ts";
import type { Caller, PushFailure, ServiceContext } from "./context.ts";
import { isDenied } from "./denials.ts";
import { signGrant } from "./grant-signer.ts";
import {
  type Placement,
  placeConsole,
  readPlaceable,
  recordPlacement,
  sayUnenforceable,
  type TicketRelay,
} from "./placement.ts";
import { refuseSecondViewer } from "./second-viewers.ts";
import { unsealSecret } from "./secrets.ts";
import { sayLimit } from "./session-limits.ts";
import type { SigningKey } from "./signing-key-cache.ts";
import { activeSigningKey } from "./signing-keys.ts";
import {
  findTicketTerms,
  grantTerms,
  recordDenial,
  ticketExpiryS,
  type TicketTerms,
} from "./ticket-terms.ts";

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
 * Fails with `resource.not-found`, with `console.access-too-low`, with `console.in-use` (the detail
 * says since when), with what the policies say (`policy.outside-hours`, `policy.no-channels`,
 * `policy.unenforceable`, `session.limit`), with `console.no-relay` (the detail says why), with
 * `target.unreadable` when the console's password cannot be unsealed, with `signing-key.unreadable`,
 * with `auth.revoked` when the user was denied meanwhile, or with `auth.required` for a user who was
 * disabled meanwhile.
 */
export async function issueTicket(
  context: ServiceContext,
  caller: TicketCaller,
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

/** Somebody's wish for one console, who may open it. */
export interface OpeningWish {
  readonly caller: Caller;
  /** Whose session it becomes. */
  readonly userId: string;
  readonly console: ConsoleRow;
  /** The relays that reach it. */
  readonly placeable: readonly PlacementRow[];
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
  const signingKey = await activeSigningKey(context);
  if (!signingKey.ok) {
    return signingKey;
  }
  const opening: Opening = {
    caller,
    userId,
    share,
    console: row,
    terms: terms.value,
    way,
    password: password.value,
    signingKey: signingKey.value,
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

/** A wish that is carried out. */
interface Opening extends Omit<OpeningWish, "placeable"> {
  readonly terms: TicketTerms;
  /** The hypervisor's own, in clear; lives in memory only. */
  readonly password: string | null;
  readonly signingKey: SigningKey;
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
      // The key may have been retired in an emergency that this isolate has not heard of.
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

/** Makes the ticket, the console file's address and the signed grant for one relay. */
async function prepareTicket(
  context: ServiceContext,
  opening: Opening,
  relay: TicketRelay,
): Promise<PreparedTicket> {
  const { settings, randomBytes } = context;
  const issuedAtMs = context.nowMs();
  const expiresAtS = ticketExpiryS(opening.terms, issuedAtMs);
  const ticketId = Uint8Array.from(randomBytes(TICKET_ID_BYTES));
  const key = await deriveTicketKey(settings.ticketRoot, relay.id, relay.ticketEpoch);
  const ticketHash = await hashTicket(await mintTicket(key, { ticketId, expiresAtS }));
  const vvToken = newSecretToken("consoleFile", randomBytes);
  const grantId = newId("grant", randomBytes);
  const grantJws = await signGrant(opening.signingKey, {
    iss: settings.publicUrl,
    aud: relay.id,
    sub: opening.userId,
    jti: grantId,
    iat: Math.floor(issuedAtMs / 1000),
    issuedAtMs,
    exp: expiresAtS,
    sessionId: opening.sessionId,
    consoleId: opening.console.id,
    ...(opening.share === null ? {} : { shareId: opening.share.id }),
    ticketHash,
    target: await sealTarget(context, opening, relay),
    ...grantTerms(opening.terms, relay, expiresAtS),
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
      userId: opening.userId,
      consoleId: opening.console.id,
      sessionId: opening.sessionId,
      shareId: opening.share?.id ?? null,
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
    context.defer?.(context.hubs.push(relayId, { kind: "withdraw", sessionId }));
  }
}

/** Another session of the user has come first; one that a relay did not take ends here. */
async function denyBeyondLimit(
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

async function deny(
  context: ServiceContext,
  opening: Opening,
  failure: Failure,
): Promise<Result<never, Failure>> {
  const { caller, console: row } = opening;
  await recordDenial(context, caller, { consoleId: row.id, failure });
  return fail(failure);
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

function subjectsOf(opening: Opening, relayId?: string) {
  const { console: row, sessionId } = opening;
  return { consoleId: row.id, sessionId, ...(relayId === undefined ? {} : { relayId }) };
}

function limitOf({ userId, terms }: Opening) {
  return { userId, sessionsMax: terms.sessionsMax };
}

function pendingSession(context: ServiceContext, opening: Opening) {
  return {
    id: opening.sessionId,
    consoleId: opening.console.id,
    userId: opening.userId,
    state: "pending" as const,
    createdAtMs: context.nowMs(),
    secondViewer: opening.terms.policy.secondViewer,
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
  const place = { column: "consoles.sealed_password", rowId: row.id } as const;
  const password = await unsealSecret(context, place, row.sealedPassword);
  return password === null
    ? fail({ code: "target.unreadable", detail: "No key in SECRETS_KEYS opens it." })
    : ok(password);
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
/** The console file's address is this path and a token. */
const CONSOLE_FILE_PATH = "/api/v1/vv/";
const SEAL_KEY_BYTES = 32;
