/** The arguments of `npm start`. */
import { parseArgs } from "node:util";
import { fail, ok, type Result } from "#shared/base/result.ts";

export interface StartOptions {
  /** Where the control plane listens, on loopback. */
  readonly port: number;
  /** Where the relay takes SPICE clients, on loopback. */
  readonly relayPort: number;
  readonly stateDir: string;
  readonly reset: boolean;
  readonly json: boolean;
  readonly help: boolean;
}

export const USAGE = `Usage: npm start -- [options]

Brings up a whole Kerbside on this machine: control plane, database, one relay, one demo console.

  --port PORT         control plane's port on 127.0.0.1 (default 8787)
  --relay-port PORT   relay's port for SPICE clients on 127.0.0.1 (default 8788)
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
      args: [...args],
      options: {
        port: { type: "string", default: "8787" },
        "relay-port": { type: "string", default: "8788" },
        "state-dir": { type: "string", default: ".kerbside" },
        reset: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
  const port = parsePort(values.port);
  const relayPort = parsePort(values["relay-port"]);
  if (port === null || relayPort === null) {
    const [name, value] =
      port === null ? ["port", values.port] : ["relay-port", values["relay-port"]];
    return fail(`--${name} must be a port between 1 and 65535, not "${value}".`);
  }
  if (port === relayPort) {
    return fail(`--port and --relay-port are both ${port}: give them different ports.`);
  }
  if (values["state-dir"] === "") {
    return fail("--state-dir must name a folder.");
  }
  const { reset, json, help } = values;
  return ok({ port, relayPort, stateDir: values["state-dir"], reset, json, help });
}

function parsePort(text: string): number | null {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : null;
}
