/** Where a self-hosted control plane keeps what: the state folder, and workerd's part of it. */
import { join, relative } from "node:path";
import { StateFolder } from "../dev/state-folder.ts";

export function openSelfhostState(path: string): StateFolder {
  return new StateFolder(path, "restore it from a backup");
}

/** The Durable Objects' storage, laid out as Miniflare does it: `npm start` finds it too. */
export function storageFolder(state: StateFolder): string {
  return join(state.hubFolder, "do");
}

export function scriptFile(state: StateFolder): string {
  return join(state.workerdFolder, "worker.js");
}

export function configFile(state: StateFolder): string {
  return join(state.workerdFolder, "config.capnp");
}

/** As the configuration names it. */
export function seenFromConfig(state: StateFolder, path: string): string {
  return relative(state.workerdFolder, path);
}
