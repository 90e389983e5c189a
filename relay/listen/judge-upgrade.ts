/**
 * Judges the head of a web console's request from what it says alone: path, upgrade, subprotocol,
 * origin, token's presence. Whether the token is worth anything is not judged here.
 */
import type { IncomingHttpHeaders } from "node:http";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { errorRow, type Failure } from "#shared/errors/catalogue.ts";
import type { HttpAnswer } from "./http-answer.ts";

/** What of a request is judged. */
export interface UpgradeHead {
  /** As on the request line: an absolute path, or an absolute URL. */
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

/** What the client hears, and what is told. Neither repeats of the request more than its origin. */
export interface UpgradeRefusal {
  readonly answer: HttpAnswer;
  readonly failure: Failure;
}

/** The token, when everything about the head is in order. */
export function judgeUpgrade(
  { url = "", headers }: UpgradeHead,
  webOrigins: readonly string[],
): Result<string, UpgradeRefusal> {
  const target = URL.parse(url, BASE);
  if (target?.pathname !== CONSOLE_PATH) {
    return refuse(NOT_FOUND, "another path");
  }
  if (headers.upgrade?.toLowerCase() !== "websocket") {
    return refuse(NO_UPGRADE, "no upgrade");
  }
  const offered = headers["sec-websocket-protocol"] ?? "";
  if (!offered.split(",").some((name) => name.trim() === SUBPROTOCOL)) {
    return refuse(NO_SUBPROTOCOL, "the subprotocol is not offered");
  }
  const { origin } = headers;
  if (origin === undefined || origin === OPAQUE_ORIGIN || !webOrigins.includes(origin)) {
    const detail = sayForeign(origin);
    return fail({ answer: FOREIGN_ORIGIN, failure: { code: "link.origin-refused", detail } });
  }
  const [token = "", ...others] = target.searchParams.getAll("token");
  const isOne = token !== "" && token.length <= TOKEN_LENGTH_MAX && others.length === 0;
  return isOne ? ok(token) : refuse(NO_TOKEN, "not one token");
}

function refuse(answer: HttpAnswer, detail: string): Result<string, UpgradeRefusal> {
  return fail({ answer, failure: { code: "link.http-invalid", detail } });
}

/** A browser's origin is told, so that an operator can allow it; whatever else comes is not. */
function sayForeign(origin: string | undefined): string {
  if (origin === undefined) {
    return "no origin";
  }
  const isTold = origin.length <= ORIGIN_LENGTH_TOLD_MAX && ORIGIN.test(origin);
  const which = isTold ? `${origin} is` : "it is";
  return `${which} not an origin of the relay: --web-origin allows more`;
}

/** The WebSocket subprotocol that SPICE servers insist on (websockify's name for bytes). */
export const SUBPROTOCOL = "binary";

/**
 * A ticket has 53 characters. What is longer is not passed on: the control process takes texts of
 * a bounded length, and a worker that sends a longer one for a fault to be ended.
 */
const TOKEN_LENGTH_MAX = 512;

/** Scheme, host and port, as browsers write them (RFC 6454, section 6.2). */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[a-z0-9._:[\]-]+$/i;
/** A DNS name may have 253 characters; an honest console's has far less. */
const ORIGIN_LENGTH_TOLD_MAX = 128;

/** Only makes a path a URL. */
const BASE = "https://relay.invalid";
const CONSOLE_PATH = "/console";
/** RFC 6454, section 7.1: of sandboxed frames, files and others that nobody can vouch for. */
const OPAQUE_ORIGIN = "null";

const NOT_FOUND: HttpAnswer = {
  status: 404,
  text: "This is a Kerbside relay: open a console from the control plane to be led here.",
};
const NO_UPGRADE: HttpAnswer = {
  status: 426,
  text: "Web consoles come here over WebSocket: open one from the control plane.",
  headers: { Upgrade: "websocket" },
};
const NO_SUBPROTOCOL: HttpAnswer = {
  status: 400,
  text: `Offer the WebSocket subprotocol "${SUBPROTOCOL}".`,
};
const FOREIGN_ORIGIN: HttpAnswer = { status: 403, text: errorRow("link.origin-refused").hint };
const NO_TOKEN: HttpAnswer = {
  status: 401,
  text: "Name the console's token: /console?token=…",
  headers: { "WWW-Authenticate": "Kerbside-Ticket" },
};
