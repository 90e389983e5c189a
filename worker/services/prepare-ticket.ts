/** Makes what one relay is offered: a ticket, the address of its console file and the signed grant. */
import { toBase64Url } from "#shared/base/bytes.ts";
import { newId } from "#shared/base/ids.ts";
import { ok, type Result } from "#shared/base/result.ts";
import type { GrantSubjects } from "#shared/control/denials.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import type { Target } from "#shared/ticket/grant.ts";
import { seal } from "#shared/ticket/seal.ts";
import {
  deriveSealKey,
  deriveTicketKey,
  hashTicket,
  mintTicket,
  TICKET_ID_BYTES,
} from "#shared/ticket/ticket.ts";
import { hashSecretToken, newSecretToken } from "../identity/secret-token.ts";
import type { TicketRow } from "../repositories/tickets.ts";
import type { ServiceContext } from "./context.ts";
import { signGrant } from "./grant-signer.ts";
import type { Opening } from "./opening.ts";
import type { TicketRelay } from "./placement.ts";
import { activeSigningKey } from "./signing-keys.ts";
import { grantTerms, ticketExpiryS } from "./ticket-terms.ts";

export interface IssuedTicket {
  readonly sessionId: string;
  /** Gives the console file once; whoever has it can open the console. */
  readonly vvUrl: string;
  readonly expiresAtMs: number;
}

export interface PreparedTicket {
  readonly row: TicketRow;
  readonly subjects: GrantSubjects;
  readonly issued: IssuedTicket;
}

/** Fails with `signing-key.unreadable`. */
export async function prepareTicket(
  context: ServiceContext,
  opening: Opening,
  relay: TicketRelay,
): Promise<Result<PreparedTicket, Failure>> {
  const { settings, randomBytes } = context;
  const signingKey = await activeSigningKey(context);
  if (!signingKey.ok) {
    return signingKey;
  }
  const issuedAtMs = context.nowMs();
  const expiresAtS = ticketExpiryS(opening.terms, issuedAtMs);
  const ticketId = Uint8Array.from(randomBytes(TICKET_ID_BYTES));
  const key = await deriveTicketKey(settings.ticketRoot, relay.id, relay.ticketEpoch);
  const ticketHash = await hashTicket(await mintTicket(key, { ticketId, expiresAtS }));
  const vvToken = newSecretToken("consoleFile", randomBytes);
  const grantId = newId("grant", randomBytes);
  const grantJws = await signGrant(signingKey.value, {
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
  return ok({
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
  });
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
  const key = await deriveSealKey(context.settings.ticketRoot, relay.id, relay.ticketEpoch);
  return { ...address, sealedPassword: await seal(key, opening.password, context.randomBytes) };
}

/** The console file's address is this path and a token. */
const CONSOLE_FILE_PATH = "/api/v1/vv/";
