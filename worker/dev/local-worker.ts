/**
 * Runs the Worker on this machine with Miniflare. The only file that knows Miniflare's options:
 * their newer form still changes, so the older, settled form is converted.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Miniflare } from "miniflare";
import { COMPATIBILITY_DATE, DURABLE_OBJECTS, WORKER_NAME } from "../deployment.ts";
import { workerdProgram } from "./workerd-program.ts";

export interface LocalWorker {
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * @param bindings settings and secrets of the Worker, by name.
 * @param outboundCaFile PEM of authorities that its outgoing connections trust besides the public ones
 */
export async function startLocalWorker(options: {
  readonly script: string;
  readonly host: string;
  readonly port: number;
  readonly hubFolder: string;
  readonly bindings: Readonly<Record<string, string>>;
  readonly outboundCaFile: string | null;
}): Promise<LocalWorker> {
  bindWorkerdToThisProcess();
  if (options.outboundCaFile !== null) {
    process.env["NODE_EXTRA_CA_CERTS"] = options.outboundCaFile;
  }
  // Loaded late: it reads the environment while it is loaded.
  const { convertV4MiniflareOptions, Miniflare: Simulator } = await import("miniflare");
  const settled = convertV4MiniflareOptions({
    name: WORKER_NAME,
    host: options.host,
    port: options.port,
    cf: false,
    logRequests: false,
    compatibilityDate: COMPATIBILITY_DATE,
    modules: [{ type: "ESModule", path: "worker.js", contents: options.script }],
    bindings: { ...options.bindings },
    durableObjects: Object.fromEntries(
      DURABLE_OBJECTS.map(({ binding, className }) => [binding, { className, useSQLite: true }]),
    ),
  });
  const miniflare = withoutSignalHandlers(
    // The conversion drops the older options' place for storage.
    (): Miniflare => new Simulator({ ...settled, resourcePersistencePath: options.hubFolder }),
  );
  const url = await miniflare.ready;
  return { url: url.origin, stop: () => miniflare.dispose() };
}

/** So that no workerd is left, holding its port, when this process is killed. */
function bindWorkerdToThisProcess(): void {
  if (existsSync("/usr/bin/setpriv")) {
    process.env["KERBSIDE_WORKERD"] = workerdProgram();
    process.env["MINIFLARE_WORKERD_PATH"] = fileURLToPath(
      new URL("workerd-bound.sh", import.meta.url),
    );
  }
}

/**
 * Miniflare ends the process on a signal by itself; here the process has its own order of stopping,
 * so the handlers that `create` adds are taken away again.
 */
function withoutSignalHandlers<Value>(create: () => Value): Value {
  const before = STOP_SIGNALS.map((signal) => process.listeners(signal));
  const created = create();
  for (const [index, signal] of STOP_SIGNALS.entries()) {
    for (const listener of process.listeners(signal)) {
      if (before[index]?.includes(listener) !== true) {
        process.off(signal, listener);
      }
    }
  }
  return created;
}

const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
