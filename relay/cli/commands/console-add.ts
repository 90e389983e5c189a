/** `kerbside console add`: makes a console known to the control plane. */
import { readFile } from "node:fs/promises";
import type { NewConsole } from "#shared/api/operations.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { reasonOf } from "../../control/state-folder.ts";
import { type ApiClient, withApi } from "../api-client.ts";
import { consoleSchema, storedConsoleSchema } from "../api-schemas.ts";
import { collectPages } from "../collect-pages.ts";
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
  givenText,
  textOption,
} from "../command.ts";
import { nameFlags } from "../name-flags.ts";
import { readSecretFile } from "../password.ts";
import { POLICY_OPTIONS, POLICY_OPTIONS_HELP, readPolicyOptions } from "../policy-options.ts";
import { sayPolicyWarnings } from "../policy-warnings.ts";
import { printable } from "../printable.ts";
import { sayCommand } from "../../program.ts";

export const consoleAddCommand: Command = {
  name: "console add",
  summary: "add a console (admins)",
  help: `Usage: kerbside console add --name N --host H [--port P] [--tls-port P] [options]

  --name N             how people call it
  --host H             where the hypervisor serves SPICE
  --port P             its plain port; used when there is no --tls-port
  --tls-port P         its TLS port
  --ca-file F          PEM certificates that may sign the hypervisor's
  --host-subject S     the subject that its certificate must have
  --password-file F    the hypervisor's own SPICE password
  --proxy URL          http://host:port to dial the hypervisor through
${POLICY_OPTIONS_HELP}  --source S           the source that it belongs to; default static
  --uuid U             the virtual machine's id; made up by default
  --url URL            the control plane; default: where you logged in
`,
  run: async (args, tools) => {
    const parsed = parseCommand(args, OPTIONS, [], adviseName);
    if (!parsed.ok) {
      return parsed;
    }
    const body = await readBody(parsed.value.options);
    if (!body.ok) {
      return body;
    }
    const url = textOption(parsed.value.options, "url");
    return withApi(url === null ? {} : { url }, tools, async (client) => {
      const isTaken = await isNameTaken(client, body.value.name);
      const created = await client.call("POST /api/v1/consoles", storedConsoleSchema, {
        body: body.value,
      });
      if (!created.ok) {
        return fail(nameFlags(created.error, OPTIONS, FIELD_NAMES));
      }
      const name = printable(created.value.name);
      tools.note(`Added ${name}.\n`);
      if (isTaken) {
        tools.note(
          `Warning: another console is called ${name} already. ` +
            `Open each by its id: ${sayCommand("open")} ID.\n`,
        );
      }
      for (const warning of sayPolicyWarnings(created.value.warnings)) {
        tools.note(`${warning}\n`);
      }
      tools.print(`${created.value.id}\n`);
      return ok(EXIT.done);
    });
  },
};

function adviseName(extra: string, options: OptionValues): string {
  return textOption(options, "name") === null ? ` Did you mean --name ${extra}?` : "";
}

/** A name need not be one console's alone, but `open` takes it only then. */
async function isNameTaken(client: ApiClient, name: string): Promise<boolean> {
  const query = { name };
  const listed = await collectPages(client.pages("GET /api/v1/consoles", consoleSchema, { query }));
  // No answer here is no reason to refuse: what is wrong shows in the call that adds.
  return listed.ok && listed.value.some((other) => other.name === name);
}

async function readBody(options: OptionValues): Promise<Result<NewConsole, CliFailure>> {
  const name = requireText(options, "name");
  const host = requireText(options, "host");
  const port = portOption(options, "port");
  const tlsPort = portOption(options, "tls-port");
  if (!name.ok || !host.ok || !port.ok || !tlsPort.ok) {
    return [name, host, port, tlsPort].find((part) => !part.ok) as Result<never, CliFailure>;
  }
  if (port.value === null && tlsPort.value === null) {
    return fail(misused("Give --port, --tls-port, or both."));
  }
  const caFile = textOption(options, "ca-file");
  const ca = caFile === null ? ok(null) : await readText(caFile);
  const passwordFile = textOption(options, "password-file");
  const password = passwordFile === null ? ok(null) : await readSecretFile(passwordFile);
  const policy = await readPolicyOptions(options);
  if (!ca.ok || !password.ok || !policy.ok) {
    return [ca, password, policy].find((part) => !part.ok) as Result<never, CliFailure>;
  }
  return ok({
    name: name.value,
    host: host.value,
    port: port.value ?? undefined,
    tlsPort: tlsPort.value ?? undefined,
    ca: ca.value ?? undefined,
    password: password.value ?? undefined,
    proxy: givenText(options, "proxy"),
    policy: policy.value ?? undefined,
    hostSubject: givenText(options, "host-subject"),
    source: givenText(options, "source"),
    uuid: givenText(options, "uuid"),
  });
}

async function readText(path: string): Promise<Result<string, CliFailure>> {
  try {
    return ok(await readFile(path, "utf8"));
  } catch (error) {
    return fail(failed(`${path} cannot be read: ${reasonOf(error)}.`));
  }
}

const FIELD_NAMES = { ca: "--ca-file", password: "--password-file" };
const text = { type: "string" } as const;
const OPTIONS = {
  ...POLICY_OPTIONS,
  name: text,
  host: text,
  port: text,
  "tls-port": text,
  "ca-file": text,
  "host-subject": text,
  "password-file": text,
  proxy: text,
  source: text,
  uuid: text,
  url: text,
};
