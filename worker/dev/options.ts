/** The arguments of `npm start`. */
import { parseArgs } from "node:util";
import { joinNegativeNumbers, sayParseError } from "#shared/base/command-line.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";

export interface StartOptions {
  /** Where the control plane listens, on loopback. */
  readonly port: number;
  /** Where the relay takes SPICE clients, on loopback. */
  readonly relayPort: number;
  /** Where the relay takes HTTP CONNECT, on loopback; null: nowhere. */
  readonly connectPort: number | null;
  readonly stateDir: string;
  readonly reset: boolean;
  readonly json: boolean;
  readonly help: boolean;
}

export const USAGE = `Usage: npm start -- [options]

Brings up a whole Kerbside on this machine: control plane, database, one relay, one demo console.

  --port PORT         control plane's port on 127.0.0.1 (default 8787)
  --relay-port PORT   relay's port for SPICE clients on 127.0.0.1 (default 8788)
  --connect-port PORT relay's port for HTTP CONNECT on 127.0.0.1 (default: none)
  --state-dir DIR     where everything is kept (default .kerbside)
  --reset             forget that state and begin anew
  --json              print one line of JSON on standard output once ready
  --help              show this
`;

/** The options, or one sentence that says what is wrong with them. */
export function parseStartOptions(args: readonly string[]): Result<StartOptions, string> {
  let values;
  try {
    ({ values } = parseArgs({
      args: joinNegativeNumbers(args),
      options: {
        port: { type: "string", default: "8787" },
        "relay-port": { type: "string", default: "8788" },
        "connect-port": { type: "string" },
        "state-dir": { type: "string", default: ".kerbside" },
        reset: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    return fail(sayParseError(error));
  }
  const ports = readPorts(values);
  if (!ports.ok) {
    return ports;
  }
  if (values["state-dir"] === "") {
    return fail("--state-dir must name a folder.");
  }
  const { reset, json, help } = values;
  return ok({ ...ports.value, stateDir: values["state-dir"], reset, json, help });
}

/** The ports, each its own. */
function readPorts(values: {
  readonly port: string;
  readonly "relay-port": string;
  readonly "connect-port"?: string | undefined;
}): Result<Pick<StartOptions, "port" | "relayPort" | "connectPort">, string> {
  const flags = ["port", "relay-port", "connect-port"] as const;
  const taken = new Map<number, string>();
  for (const flag of flags) {
    const text = values[flag];
    const port = text === undefined ? null : parsePort(text);
    if (text !== undefined && port === null) {
      return fail(`--${flag} must be a port between 1 and 65535, not "${text}".`);
    }
    const other = port === null ? undefined : taken.get(port);
    if (port !== null && other !== undefined) {
      return fail(`--${other} and --${flag} are both ${port}: give them different ports.`);
    }
    if (port !== null) {
      taken.set(port, flag);
    }
  }
  const connectText = values["connect-port"];
  return ok({
    port: Number(values.port),
    relayPort: Number(values["relay-port"]),
    connectPort: connectText === undefined ? null : Number(connectText),
  });
}

function parsePort(text: string): number | null {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : null;
}
