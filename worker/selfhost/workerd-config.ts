/**
 * The configuration of plain workerd, as Cap'n Proto text. Secrets are not in it: it names
 * variables of workerd's environment. Pure.
 */
import {
  COMPATIBILITY_DATE,
  DURABLE_OBJECTS,
  PUBLIC_EGRESS_BINDING,
  WORKER_NAME,
} from "../deployment.ts";

export interface WorkerdConfig {
  /** An IP address. */
  readonly host: string;
  readonly port: number;
  /** The bundled Worker, relative to the folder of the configuration. */
  readonly scriptFile: string;
  /** Where the Durable Objects' storage is, relative to the same; it has to exist. */
  readonly storageFolder: string;
  /** Names of the Worker's settings, each in workerd's environment. */
  readonly settings: readonly string[];
  /** PEM of authorities that outgoing connections trust besides the public ones. */
  readonly trustedCertificates: readonly string[];
  /** Whether the Worker is given a way out that keeps to public addresses. */
  readonly withPublicEgress: boolean;
}

export function renderWorkerdConfig(config: WorkerdConfig): string {
  const bindings = [
    ...DURABLE_OBJECTS.map(
      ({ binding, className }) =>
        `(name = ${quote(binding)}, durableObjectNamespace = ${quote(className)})`,
    ),
    ...config.settings.map((name) => `(name = ${quote(name)}, fromEnvironment = ${quote(name)})`),
    ...(config.withPublicEgress
      ? [`(name = ${quote(PUBLIC_EGRESS_BINDING)}, service = "public")`]
      : []),
  ];
  const namespaces = DURABLE_OBJECTS.map(
    ({ className }) =>
      `(className = ${quote(className)}, uniqueKey = ${quote(`${WORKER_NAME}-${className}`)}, ` +
      "enableSql = true)",
  );
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "storage", disk = (path = ${quote(config.storageFolder)}, writable = true)),
    # The database is on the loopback, and clouds are in private networks.
    ${network("internet", ["public", "private"], config)},
    ${network("public", ["public"], config)},
  ],
  sockets = [
    (name = "http", address = ${quote(addressOf(config))}, http = (), service = "main"),
  ],
);

const main :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed ${quote(config.scriptFile)})],
  compatibilityDate = ${quote(COMPATIBILITY_DATE)},
  durableObjectNamespaces = ${list(namespaces)},
  durableObjectStorage = (localDisk = "storage"),
  bindings = ${list(bindings)},
);
`;
}

function network(name: string, allow: readonly string[], config: WorkerdConfig): string {
  return `(name = ${quote(name)}, network = (
      allow = [${allow.map(quote).join(", ")}],
      tlsOptions = (
        trustBrowserCas = true,
        trustedCertificates = ${list(config.trustedCertificates.map(quote))},
      ),
    ))`;
}

function addressOf(config: WorkerdConfig): string {
  return config.host.includes(":")
    ? `[${config.host}]:${config.port}`
    : `${config.host}:${config.port}`;
}

function list(items: readonly string[]): string {
  return `[${items.map((item) => `\n    ${item},`).join("")}\n  ]`;
}

/** A text literal; the escapes are C's. */
function quote(text: string): string {
  const escaped = text.replace(/["\\]/g, "\\$&").replace(/\n/g, "\\n").replace(/\r/g, "\\r");
  return `"${escaped}"`;
}
