/** The arguments of `npm run selfhost`. */
import { isIP } from "node:net";
import { parseArgs } from "node:util";
import { joinNegativeNumbers, sayParseError } from "#shared/base/command-line.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { OUTBOUND_CA_FILE } from "../dev/outbound-certificates.ts";
import { settingNames } from "../settings.ts";

export interface SelfhostOptions {
  readonly host: string;
  readonly port: number;
  /** How users and relays reach it, without a trailing slash. */
  readonly publicUrl: string;
  readonly stateDir: string;
  readonly json: boolean;
  readonly help: boolean;
}

export const USAGE = `Usage: npm run selfhost -- [options]

Runs the control plane on this machine: plain workerd, and a libSQL database of its own.

  --host ADDRESS     address to listen on (default 127.0.0.1). It speaks plain HTTP: for TLS put a
                     reverse proxy in front, as docs/operate/selfhost.md shows
  --port PORT        port to listen on (default 8787)
  --public-url URL   how users and relays reach it (default http://ADDRESS:PORT)
  --state-dir DIR    where everything is kept (default .kerbside-selfhost)
  --json             print one line of JSON on standard output once ready
  --help             show this

Settings, from the environment: PUBLIC_URL (as --public-url),
  ${[...settingNames("operator"), OUTBOUND_CA_FILE].join(",\n  ")}.
`;

/** The options, or one sentence that says what is wrong with them. */
export function parseSelfhostOptions(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Result<SelfhostOptions, string> {
  let values;
  try {
    ({ values } = parseArgs({
      args: joinNegativeNumbers(args),
      options: {
        host: { type: "string", default: "127.0.0.1" },
        port: { type: "string", default: "8787" },
        "public-url": { type: "string" },
        "state-dir": { type: "string", default: ".kerbside-selfhost" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    return fail(sayParseError(error));
  }
  const { host, json, help, "state-dir": stateDir } = values;
  const port = /^\d{1,5}$/.test(values.port) ? Number(values.port) : 0;
  if (port < 1 || port > 65_535) {
    return fail(`--port must be a port between 1 and 65535, not "${values.port}".`);
  }
  if (isIP(host) === 0) {
    return fail(`--host must be an address such as 127.0.0.1, 0.0.0.0 or ::, not "${host}".`);
  }
  if (stateDir === "") {
    return fail("--state-dir must name a folder.");
  }
  const flagged = values["public-url"];
  const publicUrl = readPublicUrl(flagged ?? environment["PUBLIC_URL"] ?? "", {
    name: flagged === undefined ? "The setting PUBLIC_URL" : "--public-url",
    host,
    port,
  });
  return publicUrl.ok
    ? ok({ host, port, publicUrl: publicUrl.value, stateDir, json, help })
    : publicUrl;
}

function readPublicUrl(
  text: string,
  at: { readonly name: string; readonly host: string; readonly port: number },
): Result<string, string> {
  if (text === "") {
    return at.host === "0.0.0.0" || at.host === "::"
      ? fail(`--host ${at.host} needs --public-url: how users and relays reach this machine.`)
      : ok(httpUrl(at.host, at.port));
  }
  const url = URL.canParse(text) ? new URL(text) : null;
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && url.search + url.hash === "";
  if (!isPlain || url.username !== "" || url.pathname !== "/") {
    // It may hold a password, so it is not repeated.
    return fail(
      `${at.name} must be a URL such as https://kerbside.example, with http or https and without ` +
        "login, path or query.",
    );
  }
  return ok(url.origin);
}

/** The URL of an address and a port, with brackets where the address needs them. */
export function httpUrl(host: string, port: number): string {
  return `http://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}
