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

/** Flags of Node and V8 for workers. */
export const WORKER_NODE_FLAGS: readonly string[] = [];

/** What the environment of a worker has besides what it is given. */
export const WORKER_ENVIRONMENT: Readonly<Record<string, string>> = {};

const CHECKOUT_MODULE = "/relay/workers/worker-entry.ts";
