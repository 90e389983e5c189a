/**
 * The relay's configuration: the one file that reads its flags and its environment. A flag wins
 * over its variable. Everything is checked here, and a mistake is one sentence that names the flag.
 */
import { parseArgs } from "node:util";
import { z } from "zod";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { relayHostSchema } from "#shared/control/enrolment.ts";
import { parseControlUrl } from "./control/control-url.ts";

export interface RelayConfig {
  /** The folder that enrolment wrote. */
  readonly stateDir: string;
  readonly listenHost: string;
  /** Null: the port that the relay was enrolled with. 0: any free one. */
  readonly listenPort: number | null;
  /** Where SPICE clients reach it; null: where it said at enrolment. */
  readonly advertiseHost: string | null;
  readonly advertisePort: number | null;
  /** Where the control plane is; null: where it was at enrolment. */
  readonly controlUrl: string | null;
  /** On loopback. 0: any free port. Null: neither metrics nor health are served. */
  readonly healthPort: number | null;
  readonly logLevel: "debug" | "info" | "warn" | "error" | "silent";
}

/** What a command line asks for: to run, or to be told how. */
export type RelayRequest =
  | { readonly kind: "run"; readonly config: RelayConfig }
  | { readonly kind: "help" };

/** Reads `args` (without the program's name) and `environment`; a failure is a sentence. */
export function readRelayConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Result<RelayRequest, string> {
  const flags = parseFlags(args);
  if (!flags.ok) {
    return flags;
  }
  if (flags.value["help"] === true) {
    return ok({ kind: "help" });
  }
  const given = Object.fromEntries(
    SETTINGS.map(({ flag, variable }) => [flag, flags.value[flag] ?? environment[variable]]),
  );
  const config = configSchema.safeParse(given);
  if (!config.success) {
    const [issue] = config.error.issues;
    const setting = SETTINGS.find(({ flag }) => flag === issue?.path[0]);
    return fail(`--${setting?.flag} (or ${setting?.variable}) ${issue?.message}.`);
  }
  return ok({
    kind: "run",
    config: {
      stateDir: config.data["state-dir"],
      listenHost: config.data["listen-host"],
      listenPort: config.data["listen-port"],
      advertiseHost: config.data["advertise-host"],
      advertisePort: config.data["advertise-port"],
      controlUrl: config.data["control-url"],
      healthPort: config.data["health-port"],
      logLevel: config.data["log-level"],
    },
  });
}

/** What `--help` prints. */
export const RELAY_HELP = `Usage: node relay/main.ts --state-dir DIR [options]

Carries SPICE consoles for the control plane that it was enrolled with.

  --state-dir DIR      the folder that "kerbside relay enrol" wrote  (KERBSIDE_STATE_DIR)
  --listen-host HOST   address to serve clients on; default 0.0.0.0  (KERBSIDE_LISTEN_HOST)
  --listen-port PORT   default: the port it was enrolled with        (KERBSIDE_LISTEN_PORT)
  --advertise-host HOST, --advertise-port PORT
                       where clients reach it, when that has changed
                       since enrolment  (KERBSIDE_ADVERTISE_HOST, _PORT)
  --control-url URL    the control plane, when it has moved since
                       enrolment                                (KERBSIDE_CONTROL_URL)
  --health-port PORT   /metrics and /healthz on loopback; 0 takes
                       any free port, "off" serves none; default 0   (KERBSIDE_HEALTH_PORT)
  --log-level LEVEL    debug, info, warn, error or silent            (KERBSIDE_LOG_LEVEL)
  --help
`;

interface Flags {
  readonly [name: string]: string | boolean | undefined;
}

function parseFlags(args: readonly string[]): Result<Flags, string> {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        help: { type: "boolean" },
        ...Object.fromEntries(
          SETTINGS.map(({ flag }) => [flag, { type: "string" as const }] as const),
        ),
      },
    });
    return ok(values);
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

const PORT_RULE = "must be a port from 0 to 65535";
const portText = z
  .string()
  .regex(/^[0-9]{1,5}$/, PORT_RULE)
  .transform(Number);
const port = portText.refine((value) => value <= 65_535, PORT_RULE);

const configSchema = z.object({
  "state-dir": z.string("is missing: say where the relay's state folder is").min(1, "is empty"),
  "listen-host": z.string().min(1, "is empty").default("0.0.0.0"),
  "listen-port": port.nullable().default(null),
  "advertise-host": relayHostSchema.nullable().default(null),
  "advertise-port": port
    .refine((value) => value > 0, "must be a port from 1 to 65535")
    .nullable()
    .default(null),
  "control-url": z
    .string()
    .transform((text, context) => {
      const url = parseControlUrl(text);
      if (!url.ok) {
        context.addIssue("must be the http or https URL of a control plane");
        return z.NEVER;
      }
      return url.value;
    })
    .nullable()
    .default(null),
  "health-port": z
    .union([z.literal("off").transform(() => null), port], `${PORT_RULE}, or off`)
    .default(0),
  "log-level": z
    .enum(["debug", "info", "warn", "error", "silent"], {
      error: "must be debug, info, warn, error or silent",
    })
    .default("info"),
});

const SETTINGS = [
  { flag: "state-dir", variable: "KERBSIDE_STATE_DIR" },
  { flag: "listen-host", variable: "KERBSIDE_LISTEN_HOST" },
  { flag: "listen-port", variable: "KERBSIDE_LISTEN_PORT" },
  { flag: "advertise-host", variable: "KERBSIDE_ADVERTISE_HOST" },
  { flag: "advertise-port", variable: "KERBSIDE_ADVERTISE_PORT" },
  { flag: "control-url", variable: "KERBSIDE_CONTROL_URL" },
  { flag: "health-port", variable: "KERBSIDE_HEALTH_PORT" },
  { flag: "log-level", variable: "KERBSIDE_LOG_LEVEL" },
] as const;
