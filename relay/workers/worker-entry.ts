/**
 * How a worker process is started: which file, with which flags and environment. In a checkout it
 * is worker-main.ts; in the one-file relay it is that file, told by its first argument.
 */
import { fileURLToPath } from "node:url";

export interface WorkerEntry {
  readonly file: string;
  readonly args: readonly string[];
}

/** What starts a worker where this module was loaded from. */
export function workerEntry(moduleUrl: string = import.meta.url): WorkerEntry {
  const isCheckout = moduleUrl.endsWith(CHECKOUT_MODULE);
  return isCheckout
    ? { file: fileURLToPath(new URL("worker-main.ts", moduleUrl)), args: [] }
    : { file: fileURLToPath(moduleUrl), args: [WORKER_ARGUMENT] };
}

/** Makes the one-file relay a worker, when it is its only argument. */
export const WORKER_ARGUMENT = "--as-relay-worker";

/**
 * Flags of Node and V8 for workers. A worker makes little garbage, so a young generation of 1 MiB is
 * enough, and an idle channel costs 12 KiB less (docs/performance/relay.md).
 */
export const WORKER_NODE_FLAGS: readonly string[] = ["--max-semi-space-size=1"];

/** What the environment of a worker has besides what it is given. */
export const WORKER_ENVIRONMENT: Readonly<Record<string, string>> = {
  // Node's TLS layer keeps 64 KiB for what it reads on each connection: as a mapping of its own,
  // which glibc makes of blocks of this size, only the page that was touched is resident.
  MALLOC_MMAP_THRESHOLD_: "65536",
  // It does so only where the heap has no room left over: the heap grows a page at a time.
  MALLOC_TOP_PAD_: "4096",
  // Look-ups of names and the making of link keys share these threads: a resolver that does not
  // answer must not hold up every link.
  UV_THREADPOOL_SIZE: "16",
};

const CHECKOUT_MODULE = "/relay/workers/worker-entry.ts";
