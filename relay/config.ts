/**
 * The relay's configuration: the one file that reads its flags and its environment. A flag wins
 * over its variable. Everything is checked here, and a mistake is one sentence that names the flag.
 */
import { parseArgs } from "node:util";
import { z } from "zod";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { relayHostSchema } from "#shared/control/enrolment.ts";
import { joinNegativeNumbers, sayParseError } from "#shared/base/command-line.ts";
import { sayRun } from "./program.ts";
import { parseControlUrl } from "./control/control-url.ts";
import type { OwnCertificateFiles } from "./control/own-certificate.ts";
import { DATA_PLANE_LIMITS } from "./limits.ts";
import { DRAIN_SECONDS_MAX } from "./operator/relay-status.ts";

/** A supervisor's own patience is longer usually; most people's consoles are not. */
export const DRAIN_SECONDS_DEFAULT = 30;

/** A quarter: a key that was copied unseen is of no use for longer. */
const ROTATE_KEY_DAYS_DEFAULT = 90;
/** Ten years. */
const ROTATE_KEY_DAYS_MAX = 3_650;

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
  /** Answers NEED_SECURED; null: no such port. 0: any free one. */
  readonly plainPort: number | null;
  /** Takes HTTP CONNECT; null: no such port. 0: any free one. */
  readonly connectPort: number | null;
  /** Where clients reach the CONNECT port; null: as it is bound here. */
  readonly advertiseConnectPort: number | null;
  /** Origins whose pages may open web consoles, besides those that the control plane names. */
  readonly webOrigins: readonly string[];
  /** Processes that carry connections; 0: the relay's own. Null: one for each CPU. */
  readonly workers: number | null;
  /** Connections that one address may have at once; null: the usual. */
  readonly connectionsPerSource: number | null;
  /** What worker processes get of this process's environment. */
  readonly workerEnvironment: Readonly<Record<string, string>>;
  /** How long sessions may go on after SIGTERM. */
  readonly drainSeconds: number;
  /** What to show to clients in the place of a certificate that the control plane signs. */
  readonly ownCertificate: OwnCertificateFiles | null;
  /** How old the identity key becomes; 0: it is changed by command alone. */
  readonly rotateKeyDays: number;
  readonly logLevel: "debug" | "info" | "warn" | "error" | "silent";
}

/** What a command line asks for: to run, or to be told how. */
export type RelayRequest =
  | { readonly kind: "run"; readonly config: RelayConfig }
  | { readonly kind: "help" }
  | { readonly kind: "version" };

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
  if (flags.value["version"] === true) {
    return ok({ kind: "version" });
  }
  const given = Object.fromEntries(
    SETTINGS.map(({ flag, variable }) => [
      flag,
      textOf(flags.value[flag]) ?? environment[variable],
    ]),
  );
  const config = configSchema.safeParse(given);
  if (!config.success) {
    const [issue] = config.error.issues;
    const setting = SETTINGS.find(({ flag }) => flag === issue?.path[0]);
    return fail(`--${setting?.flag} (or ${setting?.variable}) ${issue?.message}.`);
  }
  if (config.data["advertise-connect-port"] !== null && config.data["connect-port"] === null) {
    return fail("--advertise-connect-port tells of a port that only --connect-port opens.");
  }
  const own = ownCertificateOf(config.data);
  if (!own.ok) {
    return own;
  }
  const clash = sayPortClash(config.data);
  if (clash !== null) {
    return fail(clash);
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
      plainPort: config.data["plain-port"],
      connectPort: config.data["connect-port"],
      advertiseConnectPort: config.data["advertise-connect-port"],
      webOrigins: config.data["web-origin"],
      workers: config.data["workers"],
      connectionsPerSource: config.data["connections-per-source"],
      workerEnvironment: environmentOfWorkers(environment),
      drainSeconds: config.data["drain-seconds"],
      ownCertificate: own.value,
      rotateKeyDays: config.data["rotate-key-days"],
      logLevel: config.data["log-level"],
    },
  });
}

function ownCertificateOf(given: {
  readonly certificate: string | null;
  readonly "certificate-key": string | null;
  readonly "certificate-ca": string | null;
}): Result<OwnCertificateFiles | null, string> {
  const { certificate, "certificate-key": key, "certificate-ca": ca } = given;
  if (certificate === null && key === null) {
    return ca === null ? ok(null) : fail("--certificate-ca belongs to --certificate.");
  }
  return certificate === null || key === null
    ? fail("--certificate and --certificate-key belong together.")
    : ok({ certificate, key, ca });
}

/** The ports that one relay serves, by their flags. Null: not served. 0: any free one. */
export interface ServedPorts {
  readonly "listen-port": number | null;
  readonly "plain-port": number | null;
  readonly "connect-port": number | null;
  readonly "health-port": number | null;
}

/** Why these ports cannot be served together, as a sentence, or null. */
export function sayPortClash(ports: ServedPorts): string | null {
  const flags = new Map<number, string>();
  for (const flag of SERVED_PORTS) {
    const number = ports[flag];
    const other = number === null || number === 0 ? undefined : flags.get(number);
    if (other !== undefined) {
      return `--${flag} and --${other} are both ${number}: give them different ports.`;
    }
    if (number !== null) {
      flags.set(number, flag);
    }
  }
  return null;
}

/** What `--help` prints. */
export const RELAY_HELP = `Usage: ${sayRun("DIR")} [options]

Carries SPICE consoles for the control plane that it was enrolled with. As its first
argument it also takes enrol, status, drain, resume or rotate-key; each has a --help.

  --state-dir DIR      the folder that enrolment wrote          (KERBSIDE_STATE_DIR)
  --listen-host HOST   address to serve clients on; default 0.0.0.0  (KERBSIDE_LISTEN_HOST)
  --listen-port PORT   default: the port it was enrolled with        (KERBSIDE_LISTEN_PORT)
  --plain-port PORT    a port that tells clients to use TLS; default none
                                                                (KERBSIDE_PLAIN_PORT)
  --connect-port PORT  a port for HTTP CONNECT (proxy= in console files);
                       default none                             (KERBSIDE_CONNECT_PORT)
  --advertise-host HOST, --advertise-port PORT
                       where clients reach it, when that has changed
                       since enrolment  (KERBSIDE_ADVERTISE_HOST, _PORT)
  --advertise-connect-port PORT
                       where clients reach the CONNECT port, when
                       not there         (KERBSIDE_ADVERTISE_CONNECT_PORT)
  --web-origin ORIGIN  whose pages may open web consoles, besides the
                       control plane's; repeat it, or separate by
                       commas                                   (KERBSIDE_WEB_ORIGIN)
  --control-url URL    the control plane, when it has moved since
                       enrolment                                (KERBSIDE_CONTROL_URL)
  --health-port PORT   /metrics and /healthz on loopback; 0 takes
                       any free port, "off" serves none; default 0   (KERBSIDE_HEALTH_PORT)
  --workers N          processes that carry connections; 0: none
                       but this one; default one for each CPU   (KERBSIDE_WORKERS)
  --connections-per-source N
                       from one address at once; raise it behind a load
                       balancer; default ${DATA_PLANE_LIMITS.connectionsPerSourceMax} (KERBSIDE_CONNECTIONS_PER_SOURCE)
  --drain-seconds N    how long sessions go on after SIGTERM or SIGINT;
                       0 ends them at once; default ${DRAIN_SECONDS_DEFAULT}          (KERBSIDE_DRAIN_SECONDS)
  --certificate FILE, --certificate-key FILE
                       show this certificate to clients, with its issuers,
                       instead of one that the control plane signs; read
                       again when it changes  (KERBSIDE_CERTIFICATE, _KEY)
  --certificate-ca FILE
                       the authority that clients are to trust then, or
                       "public" for one that they trust anyway; default
                       the root that --certificate ends with
                                                             (KERBSIDE_CERTIFICATE_CA)
  --rotate-key-days N  change the key by which the relay proves itself
                       after so many days; 0: never; default ${ROTATE_KEY_DAYS_DEFAULT}
                                                             (KERBSIDE_ROTATE_KEY_DAYS)
  --log-level LEVEL    debug, info, warn, error or silent            (KERBSIDE_LOG_LEVEL)
  --version
  --help
`;

/** What worker processes need of the environment: where Node finds certificates and its clock. */
function environmentOfWorkers(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of WORKER_VARIABLES) {
    const value = environment[name];
    if (value !== undefined) {
      kept[name] = value;
    }
  }
  return kept;
}

interface Flags {
  readonly [name: string]: string | boolean | readonly (string | boolean)[] | undefined;
}

/** A flag that was given several times is a comma list. */
function textOf(value: Flags[string]): string | boolean | undefined {
  return typeof value === "object" ? value.join(",") : value;
}

function parseFlags(args: readonly string[]): Result<Flags, string> {
  try {
    const { values } = parseArgs({
      args: joinNegativeNumbers(args),
      options: {
        help: { type: "boolean" },
        version: { type: "boolean" },
        ...Object.fromEntries(
          SETTINGS.map(({ flag }) => {
            const multiple = flag === "web-origin";
            return [flag, { type: "string" as const, multiple }] as const;
          }),
        ),
      },
    });
    return ok(values);
  } catch (error) {
    return fail(sayParseError(error));
  }
}

/** The control plane names as many itself. */
const WEB_ORIGINS_MAX = 16;
/** More processes than any machine has use for. */
const WORKERS_MAX = 256;
const CONNECTIONS_MAX = 1_000_000;

function wholeNumber(min: number, max: number, what = "number") {
  const rule = `must be a ${what} from ${min} to ${max}`;
  return z
    .string()
    .regex(/^[0-9]{1,9}$/, rule)
    .transform(Number)
    .refine((value) => value >= min && value <= max, rule);
}

/** Scheme, host and port as a browser writes them, and nothing else. */
function isOrigin(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)
    ? new URL(text).origin === text
    : false;
}

const SERVED_PORTS = ["listen-port", "plain-port", "connect-port", "health-port"] as const;
const PORT_MAX = 65_535;
const port = wholeNumber(0, PORT_MAX, "port");
const advertisedPort = wholeNumber(1, PORT_MAX, "port");

const file = z.string().min(1, "is empty");

const configSchema = z.object({
  "state-dir": z.string("is missing: say where the relay's state folder is").min(1, "is empty"),
  "listen-host": z.string().min(1, "is empty").default("0.0.0.0"),
  "listen-port": port.nullable().default(null),
  "advertise-host": relayHostSchema.nullable().default(null),
  "advertise-port": advertisedPort.nullable().default(null),
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
    .union([z.literal("off").transform(() => null), port], {
      error: `must be a port from 0 to ${PORT_MAX}, or off`,
    })
    .default(0),
  "plain-port": port.nullable().default(null),
  "connect-port": port.nullable().default(null),
  "advertise-connect-port": advertisedPort.nullable().default(null),
  "web-origin": z
    .string()
    .transform((text) => text.split(",").map((part) => part.trim()))
    .transform((origins) => origins.filter((origin) => origin !== ""))
    .refine((origins) => origins.every(isOrigin), "must be like https://kerbside.example")
    .refine(
      (origins) => origins.length <= WEB_ORIGINS_MAX,
      `may name ${WEB_ORIGINS_MAX} origins at most`,
    )
    .default([]),
  workers: wholeNumber(0, WORKERS_MAX).nullable().default(null),
  "connections-per-source": wholeNumber(1, CONNECTIONS_MAX).nullable().default(null),
  certificate: file.nullable().default(null),
  "certificate-key": file.nullable().default(null),
  "certificate-ca": file.nullable().default(null),
  "rotate-key-days": wholeNumber(0, ROTATE_KEY_DAYS_MAX).default(ROTATE_KEY_DAYS_DEFAULT),
  "drain-seconds": wholeNumber(0, DRAIN_SECONDS_MAX).default(DRAIN_SECONDS_DEFAULT),
  "log-level": z
    .enum(["debug", "info", "warn", "error", "silent"], {
      error: "must be debug, info, warn, error or silent",
    })
    .default("info"),
});

const WORKER_VARIABLES = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR", "TZ"];

const SETTINGS = [
  { flag: "state-dir", variable: "KERBSIDE_STATE_DIR" },
  { flag: "listen-host", variable: "KERBSIDE_LISTEN_HOST" },
  { flag: "listen-port", variable: "KERBSIDE_LISTEN_PORT" },
  { flag: "advertise-host", variable: "KERBSIDE_ADVERTISE_HOST" },
  { flag: "advertise-port", variable: "KERBSIDE_ADVERTISE_PORT" },
  { flag: "control-url", variable: "KERBSIDE_CONTROL_URL" },
  { flag: "health-port", variable: "KERBSIDE_HEALTH_PORT" },
  { flag: "plain-port", variable: "KERBSIDE_PLAIN_PORT" },
  { flag: "connect-port", variable: "KERBSIDE_CONNECT_PORT" },
  { flag: "advertise-connect-port", variable: "KERBSIDE_ADVERTISE_CONNECT_PORT" },
  { flag: "web-origin", variable: "KERBSIDE_WEB_ORIGIN" },
  { flag: "workers", variable: "KERBSIDE_WORKERS" },
  { flag: "connections-per-source", variable: "KERBSIDE_CONNECTIONS_PER_SOURCE" },
  { flag: "certificate", variable: "KERBSIDE_CERTIFICATE" },
  { flag: "certificate-key", variable: "KERBSIDE_CERTIFICATE_KEY" },
  { flag: "certificate-ca", variable: "KERBSIDE_CERTIFICATE_CA" },
  { flag: "rotate-key-days", variable: "KERBSIDE_ROTATE_KEY_DAYS" },
  { flag: "drain-seconds", variable: "KERBSIDE_DRAIN_SECONDS" },
  { flag: "log-level", variable: "KERBSIDE_LOG_LEVEL" },
] as const;
