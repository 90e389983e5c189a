/** `kerbside relay run`: the relay itself, in this process. */
import { ok } from "#shared/base/result.ts";
import { RELAY_HELP } from "../../config.ts";
import type { Command } from "../command.ts";

export const relayRunCommand: Command = {
  name: "relay run",
  summary: "run the relay that was enrolled",
  help: RELAY_HELP,
  run: async (args) => {
    // Loaded only here: the other commands need no data plane.
    const { relayMain } = await import("../../main.ts");
    return ok(await relayMain(args));
  },
};
