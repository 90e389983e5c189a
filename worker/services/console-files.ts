/**
 * Console files (`.vv`): each can be fetched once, before its ticket expires, by whoever has its
 * address. The ticket inside is minted again from what is stored and the root key.
 */
import { assert } from "#shared/base/assert.ts";
import { fromBase64Url } from "#shared/base/bytes.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { deriveTicketKey, mintTicket } from "#shared/ticket/ticket.ts";
import { VV_MEDIA_TYPE, writeVvFile } from "#shared/ticket/vv-file.ts";
import { hashSecretToken, isSecretToken } from "../identity/secret-token.ts";
import { type ConsoleFileParts, takeConsoleFile } from "../repositories/tickets.ts";
import { auditRecord } from "./audit-record.ts";
import type { Caller, ServiceContext } from "./context.ts";

export interface ConsoleFile {
  /** Safe as a file's name anywhere. */
  readonly filename: string;
  readonly mediaType: string;
  /** Holds the ticket. */
  readonly text: string;
}

/** Fails with `vv.gone`, whether it was fetched, has expired or never was. */
export async function fetchConsoleFile(
  context: ServiceContext,
  caller: Caller,
  token: string,
): Promise<Result<ConsoleFile, Failure>> {
  if (!isSecretToken("consoleFile", token)) {
    return fail({ code: "vv.gone", detail: "" });
  }
  const taking = { vvTokenHash: await hashSecretToken(token), nowMs: context.nowMs() };
  const parts = await takeConsoleFile(context.database, taking, (taken) =>
    auditRecord(context, caller, { type: "ticket.downloaded", data: {} }, taken),
  );
  if (parts === null) {
    return fail({ code: "vv.gone", detail: "" });
  }
  const text = writeVvFile({
    host: parts.host,
    tlsPort: parts.tlsPort,
    password: await mintAgain(context, parts),
    ca: context.settings.caCertificate,
    hostSubject: parts.hostSubject,
    title: `${parts.consoleName} - Kerbside`,
  });
  return ok({ filename: filenameOf(parts.consoleName), mediaType: VV_MEDIA_TYPE, text });
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

const FILENAME_CHARACTERS_MAX = 64;
