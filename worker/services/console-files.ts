/**
 * Console files (`.vv`), and the same for web consoles: one of the two can be fetched once, before
 * its ticket expires, by whoever has its address. The ticket inside is minted again from what is
 * stored and the root key.
 */
import { assert } from "#shared/base/assert.ts";
import { fromBase64Url } from "#shared/base/bytes.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { pseudoHost, sessionLabel } from "#shared/ticket/session-label.ts";
import { deriveTicketKey, mintTicket } from "#shared/ticket/ticket.ts";
import { VV_MEDIA_TYPE, writeVvFile } from "#shared/ticket/vv-file.ts";
import { hashSecretToken, isSecretToken } from "../identity/secret-token.ts";
import { type ConsoleFileParts, takeConsoleFile } from "../repositories/tickets.ts";
import { settleAttempt, takeAttempt } from "./attempts.ts";
import { auditRecord } from "./audit-record.ts";
import type { Caller, ServiceContext } from "./context.ts";
import type { FieldFailure } from "./field-failure.ts";

export interface ConsoleFile {
  /** Safe as a file's name anywhere. */
  readonly filename: string;
  readonly mediaType: string;
  /** Holds the ticket. */
  readonly text: string;
}

/** What a web console connects with. */
export interface WebAccess {
  /** Where its relay listens. */
  readonly host: string;
  readonly port: number;
  readonly webSocketUrl: string;
  /** The ticket: the token of every WebSocket, and the SPICE password. */
  readonly token: string;
  readonly expiresAtMs: number;
}

/**
 * Fails with `vv.gone`, whether it was fetched, has expired or never was; or with
 * `request.rate-limited`.
 */
export async function fetchConsoleFile(
  context: ServiceContext,
  caller: Caller,
  token: string,
): Promise<Result<ConsoleFile, FieldFailure>> {
  const taken = await take(context, caller, token);
  if (!taken.ok) {
    return taken;
  }
  const { parts, ticket } = taken.value;
  const text = writeVvFile({
    ...(await addressOf(parts)),
    tlsPort: parts.tlsPort,
    password: ticket,
    ...trustOf(context, parts),
    title: `${parts.consoleName} - Kerbside`,
  });
  return ok({ filename: filenameOf(parts.consoleName), mediaType: VV_MEDIA_TYPE, text });
}

/** As {@link fetchConsoleFile}, for a web console; the console file is gone then. */
export async function fetchWebAccess(
  context: ServiceContext,
  caller: Caller,
  token: string,
): Promise<Result<WebAccess, FieldFailure>> {
  const taken = await take(context, caller, token);
  if (!taken.ok) {
    return taken;
  }
  const { parts, ticket } = taken.value;
  const { host, tlsPort: port, expiresAtMs } = parts;
  const webSocketUrl = `wss://${inUrl(host)}:${port}${WEB_CONSOLE_PATH}`;
  return ok({ host, port, webSocketUrl, token: ticket, expiresAtMs });
}

async function take(
  context: ServiceContext,
  caller: Caller,
  token: string,
): Promise<Result<{ readonly parts: ConsoleFileParts; readonly ticket: string }, FieldFailure>> {
  const attempt = await takeAttempt(context, caller, "console-file");
  if (!attempt.ok) {
    return attempt;
  }
  if (!isSecretToken("consoleFile", token)) {
    return fail({ code: "vv.gone", detail: "" });
  }
  const taking = { vvTokenHash: await hashSecretToken(token), nowMs: context.nowMs() };
  const parts = await takeConsoleFile(context.database, taking, (taken) =>
    auditRecord(
      context,
      caller,
      { type: "ticket.downloaded", data: {} },
      // Whoever has the address may fetch it; the trail says whom it was made for.
      { ...taken, subjectId: taken.userId },
    ),
  );
  if (parts === null) {
    return fail({ code: "vv.gone", detail: "" });
  }
  await settleAttempt(context, attempt.value);
  return ok({ parts, ticket: await mintAgain(context, parts) });
}

/** By what the client knows the relay: what we signed, or what its operator brought. */
function trustOf(
  context: ServiceContext,
  { own, hostSubject }: ConsoleFileParts,
): { ca: string; hostSubject: string } {
  return own === null
    ? { ca: context.settings.caCertificate, hostSubject }
    : { ca: own.ca ?? "", hostSubject: own.hostSubject ?? "" };
}

/**
 * Where the client connects. Through the relay's CONNECT port the host is a name of the session,
 * which that port alone understands; a relay that has closed the port is reached directly.
 */
async function addressOf(parts: ConsoleFileParts): Promise<{ host: string; proxy?: string }> {
  const { host, way, connectPort, ticketHash } = parts;
  return way === "connect" && connectPort !== null
    ? {
        host: pseudoHost(await sessionLabel(ticketHash)),
        proxy: `http://${inUrl(host)}:${connectPort}`,
      }
    : { host };
}

/** An IPv6 address stands in brackets in a URL. */
function inUrl(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

async function mintAgain(context: ServiceContext, parts: ConsoleFileParts): Promise<string> {
  const { relayId, ticketEpoch, expiresAtMs } = parts;
  const ticketId = fromBase64Url(parts.ticketId);
  assert(ticketId !== null, "a stored ticket id is base64url");
  const key = await deriveTicketKey(context.settings.ticketRoot, relayId, ticketEpoch);
  return await mintTicket(key, { ticketId, expiresAtS: expiresAtMs / 1000 });
}

/** The console's name with everything but plain letters, digits, dots and dashes replaced. */
function filenameOf(consoleName: string): string {
  const safe = consoleName
    .replaceAll(/[^A-Za-z0-9._-]+/g, "-")
    .replaceAll(/^[.-]+|[.-]+$/g, "")
    .slice(0, FILENAME_CHARACTERS_MAX);
  return `${safe === "" ? "console" : safe}.vv`;
}

/** What relays serve web consoles on. */
const WEB_CONSOLE_PATH = "/console";
const FILENAME_CHARACTERS_MAX = 64;
