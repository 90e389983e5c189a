/** `kerbside relay enrol`: gives a new relay its identity. */
import { fail, ok, type Result } from "#shared/base/result.ts";
import {
  type CliFailure,
  type Command,
  EXIT,
  failed,
  misused,
  type OptionValues,
  parseCommand,
  portOption,
  requireText,
  textOption,
} from "../command.ts";
import { readSecretFile } from "../password.ts";
import { sayCommand, sayRun } from "../../program.ts";

export const relayEnrolCommand: Command = {
  name: "relay enrol",
  summary: "enrol this machine's relay",
  help: `Usage: kerbside relay enrol --url URL --join-token-file F --name N --host HOST
                            --tls-port P --state-dir D

  --url URL            the control plane
  --join-token-file F  the join token, in a file
  --join-token T       the join token itself; other users of this machine can see it
  --name N             how people call the relay: lower-case letters, digits, dots, hyphens
  --host HOST          the name or address at which clients reach it
  --tls-port P         the port at which clients reach it
  --state-dir D        where its identity is kept
  --replace            overwrite an identity that is there already
`,
  run: async (args, tools) => {
    const parsed = parseCommand(args, OPTIONS);
    if (!parsed.ok) {
      return parsed;
    }
    const { options } = parsed.value;
    const url = requireText(options, "url");
    const name = requireText(options, "name");
    const host = requireText(options, "host");
    const stateDir = requireText(options, "state-dir");
    const tlsPort = portOption(options, "tls-port");
    if (!url.ok || !name.ok || !host.ok || !stateDir.ok || !tlsPort.ok) {
      const parts = [url, name, host, stateDir, tlsPort];
      return parts.find((part) => !part.ok) as Result<never, CliFailure>;
    }
    if (tlsPort.value === null) {
      return fail(misused("--tls-port is missing."));
    }
    const joinToken = await readJoinToken(options);
    if (!joinToken.ok) {
      return joinToken;
    }
    // Loaded only here: the other commands need no certificates.
    const { enrolRelay } = await import("../../control/enrolment.ts");
    const enrolled = await enrolRelay({
      controlUrl: url.value,
      joinToken: joinToken.value,
      name: name.value,
      host: host.value,
      tlsPort: tlsPort.value,
      stateDir: stateDir.value,
      isReplacing: options["replace"] === true,
    });
    if (!enrolled.ok) {
      return fail(failed(enrolled.error));
    }
    const { relayId, fingerprint } = enrolled.value;
    tools.print(`${relayId}\n`);
    tools.note(
      `Enrolled as ${name.value}, key ${fingerprint}.\nStart it: ${sayRun(stateDir.value)}\n`,
    );
    return ok(EXIT.done);
  },
};

async function readJoinToken(options: OptionValues): Promise<Result<string, CliFailure>> {
  const file = textOption(options, "join-token-file");
  const given = textOption(options, "join-token");
  if (file !== null && given !== null) {
    return fail(misused("Give --join-token or --join-token-file, not both."));
  }
  if (file !== null) {
    return readSecretFile(file);
  }
  return given === null || given === ""
    ? fail(misused(`--join-token-file is missing. Make one: ${sayCommand("join-token create")}.`))
    : ok(given);
}

const text = { type: "string" } as const;
const OPTIONS = {
  url: text,
  "join-token": text,
  "join-token-file": text,
  name: text,
  host: text,
  "tls-port": text,
  "state-dir": text,
  replace: { type: "boolean" },
} as const;
