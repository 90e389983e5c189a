/**
 * Runs the Worker on this machine with Miniflare. The only file that knows Miniflare's options:
 * their newer form still changes, so the older, settled form is converted.
 */
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
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      name: "kerbside",
      host: options.host,
      port: options.port,
      cf: false,
      logRequests: false,
      compatibilityDate: COMPATIBILITY_DATE,
      modules: [{ type: "ESModule", path: "worker.js", contents: options.script }],
      bindings: { ...options.bindings },
      durableObjects: { HUB: { className: "RelayHub", useSQLite: true } },
      durableObjectsPersist: options.hubFolder,
    }),
  );
  const url = await miniflare.ready;
  return { url: url.origin, stop: () => miniflare.dispose() };
}

/** The same as in wrangler.toml; a test compares them. */
export const COMPATIBILITY_DATE = "2026-10-23";
