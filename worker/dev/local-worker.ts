/**
 * Runs the Worker on this machine with Miniflare. The only file that knows Miniflare's options:
 * their newer form still changes, so the older, settled form is converted.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";

export interface LocalWorker {
  readonly url: string;
  stop(): Promise<void>;
}

/** @param bindings settings and secrets of the Worker, by name. */
export async function startLocalWorker(options: {
  readonly script: string;
  readonly host: string;
  readonly port: number;
  readonly hubFolder: string;
  readonly bindings: Readonly<Record<string, string>>;
}): Promise<LocalWorker> {
  bindWorkerdToThisProcess();
  const settled = convertV4MiniflareOptions({
    name: "kerbside",
    host: options.host,
    port: options.port,
    cf: false,
    logRequests: false,
    compatibilityDate: COMPATIBILITY_DATE,
    modules: [{ type: "ESModule", path: "worker.js", contents: options.script }],
    bindings: { ...options.bindings },
    durableObjects: {
      HUB: { className: "RelayHub", useSQLite: true },
      LIMITS: { className: "RateLimiter", useSQLite: true },
    },
  });
  const miniflare = withoutSignalHandlers(
    // The conversion drops the older options' place for storage.
    () => new Miniflare({ ...settled, resourcePersistencePath: options.hubFolder }),
  );
  const url = await miniflare.ready;
  return { url: url.origin, stop: () => miniflare.dispose() };
}

/** So that no workerd is left, holding its port, when this process is killed. */
function bindWorkerdToThisProcess(): void {
  if (existsSync("/usr/bin/setpriv")) {
    const require = createRequire(createRequire(import.meta.url).resolve("miniflare"));
    const workerd: { readonly default: string } = require("workerd");
    process.env["KERBSIDE_WORKERD"] = workerd.default;
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

/** The same as in wrangler.toml; a test compares them. */
export const COMPATIBILITY_DATE = "2026-10-23";
