/**
 * `kerbside open`: a ticket, its console file, and the viewer. The file holds a credential: it is
 * readable by the user alone, and never overwrites anything unless that was asked for.
 */
import { constants } from "node:fs";
import { access, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { type Way, WAYS } from "#shared/ticket/way.ts";
import { reasonOf } from "../../control/state-folder.ts";
import { API_OPTIONS, API_OPTIONS_HELP, type ApiClient, withApi } from "../api-client.ts";
import { ticketSchema } from "../api-schemas.ts";
import {
  type CliFailure,
  type CliOutcome,
  type CliTools,
  type Command,
  EXIT,
  failed,
  misused,
  type OptionValues,
  parseCommand,
  textOption,
} from "../command.ts";
import { findConsole } from "../find-by-name.ts";
import { printable, toFileName } from "../printable.ts";
import { readOutcome } from "../session-outcome.ts";
import { findProgram, runViewer, VIEWER } from "../viewer.ts";

export const openCommand: Command = {
  name: "open",
  summary: "open a console",
  help: `Usage: kerbside open NAME|ID [--output FILE] [--viewer PATH]

Opens the console in ${VIEWER}, or writes its console file when there is none.

  --way WAY            tls (default), or connect: through the relay's HTTP CONNECT port
  --output FILE        only write the console file
  --force              overwrite a file that is there already
  --viewer PATH        this viewer instead of ${VIEWER}
${API_OPTIONS_HELP}`,
  run: async (args, tools) => {
    const parsed = parseCommand(args, OPTIONS, ["NAME|ID"]);
    if (!parsed.ok) {
      return parsed;
    }
    const { options, positionals } = parsed.value;
    if (textOption(options, "output") !== null && textOption(options, "viewer") !== null) {
      return fail(misused("Give --output or --viewer, not both."));
    }
    const way = WAYS.find((name) => name === (textOption(options, "way") ?? "tls"));
    if (way === undefined) {
      return fail(misused(`--way must be ${WAYS.join(" or ")}.`));
    }
    const [wanted = ""] = positionals;
    if (wanted.length > NAME_LENGTH_MAX) {
      return fail(misused(`A console's name has at most ${NAME_LENGTH_MAX} characters.`));
    }
    const obstacle = await findObstacle(options, tools.environment.searchPath);
    if (obstacle !== null) {
      return fail(failed(obstacle));
    }
    return withApi(options, tools, async (client) => {
      const fetched = await fetchFile(client, wanted, way);
      return fetched.ok ? show(client, fetched.value, { options, tools }) : fetched;
    });
  },
};

interface ConsoleFile {
  readonly name: string;
  readonly text: string;
  readonly expiresAt: string;
  readonly sessionId: string;
}

/** Why this file or viewer is sure to fail, asked before a ticket is used up for it; or null. */
async function findObstacle(
  options: OptionValues,
  searchPath: readonly string[],
): Promise<string | null> {
  const output = textOption(options, "output");
  if (output !== null) {
    return await findFileObstacle(output, options["force"] === true);
  }
  const viewer = textOption(options, "viewer");
  if (viewer === null || (await findProgram(viewer, searchPath)) !== null) {
    return null;
  }
  const why = viewer.includes("/") ? await access(viewer, constants.X_OK).catch(reasonOf) : null;
  return `${viewer} cannot be started: ${why ?? "no folder of PATH has it"}.`;
}

async function findFileObstacle(path: string, force: boolean): Promise<string | null> {
  const folder = dirname(path);
  const there = await stat(folder).catch((error: NodeJS.ErrnoException) => error);
  if (there instanceof Error) {
    return there.code === "ENOENT"
      ? `The folder ${folder} does not exist.`
      : `The folder ${folder} cannot be used: ${reasonOf(there)}.`;
  }
  if (!there.isDirectory()) {
    return `${folder} is not a folder.`;
  }
  const isTaken = await access(path).then(
    () => true,
    () => false,
  );
  return isTaken && !force ? sayTaken(path) : null;
}

function sayTaken(path: string): string {
  return `${path} cannot be written: it exists; say --force to overwrite it.`;
}

async function fetchFile(
  client: ApiClient,
  wanted: string,
  way: Way,
): Promise<Result<ConsoleFile, CliFailure>> {
  const found = await findConsole(client, wanted);
  if (!found.ok) {
    return found;
  }
  const ticket = await client.call("POST /api/v1/consoles/{id}/tickets", ticketSchema, {
    params: { id: found.value.id },
    body: { way },
  });
  if (!ticket.ok) {
    return ticket;
  }
  const text = await client.fetchFile(ticket.value.vvUrl);
  const { expiresAt, sessionId } = ticket.value;
  return text.ok ? ok({ name: found.value.name, text: text.value, expiresAt, sessionId }) : text;
}

async function show(
  client: ApiClient,
  file: ConsoleFile,
  given: { readonly options: OptionValues; readonly tools: CliTools },
): Promise<CliOutcome> {
  const { options, tools } = given;
  const output = textOption(options, "output");
  if (output !== null) {
    return keep(file, output, options, tools);
  }
  const { searchPath, hasDisplay } = tools.environment;
  const found = hasDisplay ? await findProgram(VIEWER, searchPath) : null;
  const viewer = textOption(options, "viewer") ?? found;
  if (viewer === null) {
    return keep(file, `${toFileName(file.name)}.vv`, options, tools);
  }
  const viewed = await view(file, viewer);
  const outcome = await readOutcome(client, file.sessionId);
  if (outcome === null || outcome.opened) {
    if (outcome !== null) {
      tools.note(`${outcome.sentence}\n`);
    }
    return viewed;
  }
  return fail(failed(outcome.sentence));
}

async function view(file: ConsoleFile, viewer: string): Promise<CliOutcome> {
  const folder = await mkdtemp(join(tmpdir(), "kerbside-"));
  try {
    const path = join(folder, `${toFileName(file.name)}.vv`);
    await writeFile(path, file.text, { mode: FILE_MODE, flag: "wx" });
    const ended = await runViewer(viewer, path);
    return ended.ok ? ended : fail(failed(ended.error));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function keep(
  file: ConsoleFile,
  path: string,
  options: OptionValues,
  tools: CliTools,
): Promise<CliOutcome> {
  try {
    if (options["force"] === true) {
      // A new file, so that an old one's mode does not show the ticket to others.
      await rm(path, { force: true });
    }
    await writeFile(path, file.text, { mode: FILE_MODE, flag: "wx" });
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code === "EEXIST";
    const why = isThere ? sayTaken(path) : `${path} cannot be written: ${reasonOf(error)}.`;
    return fail(failed(why));
  }
  tools.print(`${path}\n`);
  const why = tools.environment.hasDisplay ? "" : "There is no display here to open a window on. ";
  // Whoever asked for the file has a viewer for it, here or elsewhere.
  const isAskedFor = textOption(options, "output") !== null;
  const [reason, advice] = isAskedFor ? ["", ""] : [why, VIEWER_ADVICE];
  tools.note(`${reason}Open it before ${printable(file.expiresAt)}: ${VIEWER} ${path}\n${advice}`);
  return ok(EXIT.done);
}

const OPTIONS = {
  ...API_OPTIONS,
  way: { type: "string" },
  output: { type: "string" },
  viewer: { type: "string" },
  force: { type: "boolean" },
} as const;
const VIEWER_ADVICE = "(Debian and Ubuntu have it in the package virt-viewer.)\n";
const FILE_MODE = 0o600;
/** As the control plane's API has it; an id is shorter. */
const NAME_LENGTH_MAX = 128;
