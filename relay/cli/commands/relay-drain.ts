/** `kerbside relay drain`: no new sessions here, and waits until the living ones are gone. */
import { setTimeout as wait } from "node:timers/promises";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { askRelay } from "../../operator/operator-client.ts";
import { DRAIN_SECONDS_MAX, type RelayStatus } from "../../operator/relay-status.ts";
import {
  type CliFailure,
  type Command,
  EXIT,
  failed,
  misused,
  parseCommand,
  requireText,
  textOption,
} from "../command.ts";

export const relayDrainCommand: Command = {
  name: "relay drain",
  summary: "let this machine's relay run empty",
  help: `Usage: kerbside relay drain --state-dir DIR [--deadline SECONDS] [--no-wait]

The relay takes no new session, and the control plane routes none to it. Living
sessions go on until the deadline, then end with the reason relay-drained. The
relay goes on running: stop it, or let it take sessions again by relay resume.

  --state-dir DIR     the folder that the relay runs with
  --deadline SECONDS  default 3600; 0 ends the sessions at once
  --no-wait           do not wait until it is empty
`,
  run: async (args, tools) => {
    const parsed = parseCommand(args, {
      "state-dir": { type: "string" },
      deadline: { type: "string" },
      "no-wait": { type: "boolean" },
    });
    if (!parsed.ok) {
      return parsed;
    }
    const { options } = parsed.value;
    const stateDir = requireText(options, "state-dir");
    const deadline = readDeadline(textOption(options, "deadline"));
    if (!stateDir.ok) {
      return stateDir;
    }
    if (!deadline.ok) {
      return deadline;
    }
    const body = { deadlineSeconds: deadline.value };
    const begun = await askRelay(stateDir.value, { method: "POST", path: "/drain", body });
    if (!begun.ok) {
      return fail(failed(begun.error));
    }
    const { sessions } = begun.value;
    tools.note(`It takes no new session; ${sessions} ${sessions === 1 ? "goes" : "go"} on.\n`);
    if (options["no-wait"] === true) {
      return ok(EXIT.done);
    }
    const emptied = await untilEmpty(stateDir.value, begun.value);
    if (!emptied.ok) {
      return fail(failed(emptied.error));
    }
    tools.print("The relay is empty.\n");
    return ok(EXIT.done);
  },
};

function readDeadline(text: string | null): Result<number, CliFailure> {
  const seconds = text === null ? DEADLINE_SECONDS : Number(text);
  const isGood = text === null || /^[0-9]{1,5}$/.test(text);
  return isGood && seconds <= DRAIN_SECONDS_MAX
    ? ok(seconds)
    : fail(misused(`--deadline must be a number of seconds from 0 to ${DRAIN_SECONDS_MAX}.`));
}

/** The relay's own deadline bounds the wait; somebody else's resume ends it. */
async function untilEmpty(stateDir: string, begun: RelayStatus): Promise<Result<null, string>> {
  let status = begun;
  while (status.sessions > 0) {
    if (status.status === "serving") {
      return fail("The relay takes sessions again: somebody resumed it.");
    }
    await wait(POLL_INTERVAL_MS);
    const asked = await askRelay(stateDir, { method: "GET", path: "/status" });
    if (!asked.ok) {
      return fail(`It was draining, but does not answer any more. ${asked.error}`);
    }
    status = asked.value;
  }
  return ok(null);
}

/** An hour: most people close a console within that, and maintenance windows are of that size. */
const DEADLINE_SECONDS = 3_600;
const POLL_INTERVAL_MS = 500;
