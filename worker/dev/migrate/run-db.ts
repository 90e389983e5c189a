/**
 * The command behind `npm run db`: migrates the developer's database file, or a database named by
 * its URL. A file is served by the embedded server for the length of the command, with a token that
 * nobody else knows; a running `npm start` may have the same file open.
 */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";

import { createClient } from "@libsql/client/web";

import { unreachable } from "#shared/base/assert.ts";
import { fail, ok } from "#shared/base/result.ts";

import { DatabaseFileError } from "../libsql/database-file.ts";
import { withDatabaseFile } from "../folder-database.ts";
import { migrateDown, migrateUp, migrationStatus } from "./migrate.ts";

import type { MigrationError } from "./migration-error.ts";
import type { Result } from "#shared/base/result.ts";
import type { Client } from "@libsql/client/web";

export interface DbCommandPorts {
  /** `LIBSQL_URL` and `LIBSQL_AUTH_TOKEN` are read. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly migrationsFolder: string;
  readonly nowIso: () => string;
  readonly writeOut: (line: string) => void;
  readonly writeError: (line: string) => void;
}

/** @returns the exit code: 0 when done, 1 when refused or failed, 2 when the arguments are wrong. */
export async function runDb(args: readonly string[], ports: DbCommandPorts): Promise<0 | 1 | 2> {
  const command = parseCommand(args, ports.env);
  if (!command.ok) {
    ports.writeError(command.error);
    ports.writeError(USAGE);
    return 2;
  }
  const outcome = await withClient(command.value, (client) =>
    perform(command.value, client, ports),
  );
  if (!outcome.ok) {
    ports.writeError(outcome.error.message);
    return 1;
  }
  for (const line of outcome.value) {
    ports.writeOut(line);
  }
  return 0;
}

interface Command {
  readonly verb: "up" | "down" | "status";
  readonly steps: number;
  readonly to: string | undefined;
  readonly target:
    | { readonly kind: "url"; readonly url: string; readonly authToken: string | undefined }
    | { readonly kind: "file"; readonly file: string };
}

type Lines = Result<readonly string[], { readonly message: string }>;

function parseCommand(
  args: readonly string[],
  env: DbCommandPorts["env"],
): Result<Command, string> {
  let parsed: ReturnType<typeof parseDbArgs>;
  try {
    parsed = parseDbArgs(args);
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
  const { values, positionals } = parsed;
  const [verb, count, ...rest] = positionals;
  if (verb !== "up" && verb !== "down" && verb !== "status") {
    return fail(verb === undefined ? "No command was given." : `There is no command ${verb}.`);
  }
  const isCountWrong = count !== undefined && (verb !== "down" || !/^[1-9]\d{0,3}$/.test(count));
  if (isCountWrong || rest.length > 0) {
    return fail(`${verb} cannot take ${[count, ...rest].join(" ")}.`);
  }
  if (values.to !== undefined && verb !== "up") {
    return fail("--to belongs to up.");
  }
  const url = values.url ?? env["LIBSQL_URL"];
  if (values["state-dir"] !== undefined && values.url !== undefined) {
    return fail("--url and --state-dir name two databases.");
  }
  const isUrl = url !== undefined && url !== "" && values["state-dir"] === undefined;
  if (isUrl && !/^(?:libsql|https?):\/\//.test(url)) {
    return fail("The database URL has to begin with libsql://, https:// or http://.");
  }
  const target = isUrl
    ? { kind: "url" as const, url, authToken: env["LIBSQL_AUTH_TOKEN"] }
    : { kind: "file" as const, file: join(values["state-dir"] ?? STATE_FOLDER, DATABASE_NAME) };
  return ok({ verb, steps: Number(count ?? 1), to: values.to, target });
}

function parseDbArgs(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      url: { type: "string" },
      "state-dir": { type: "string" },
      to: { type: "string" },
    },
  });
}

async function withClient(
  command: Command,
  action: (client: Client) => Promise<Lines>,
): Promise<Lines> {
  const { target } = command;
  if (target.kind === "url") {
    return useClient(target.url, target.authToken, action);
  }
  if (command.verb === "up") {
    await mkdir(dirname(target.file), { recursive: true, mode: FOLDER_MODE });
  } else if (!existsSync(target.file)) {
    return fail({ message: `There is no database ${target.file} yet: "up" makes it.` });
  }
  try {
    return await withDatabaseFile(
      target.file,
      async ({ url, authToken }) => await useClient(url, authToken, action),
    );
  } catch (error) {
    if (error instanceof DatabaseFileError) {
      return fail({ message: error.message });
    }
    throw error;
  }
}

async function useClient(
  url: string,
  authToken: string | undefined,
  action: (client: Client) => Promise<Lines>,
): Promise<Lines> {
  let client: Client;
  try {
    client = createClient({ url, ...(authToken === undefined ? {} : { authToken }) });
  } catch (error) {
    return fail({ message: error instanceof Error ? error.message : String(error) });
  }
  try {
    return await action(client);
  } finally {
    client.close();
  }
}

async function perform(command: Command, client: Client, ports: DbCommandPorts): Promise<Lines> {
  const { migrationsFolder } = ports;
  switch (command.verb) {
    case "up": {
      const { to } = command;
      const options = { nowIso: ports.nowIso(), ...(to === undefined ? {} : { to }) };
      const applied = await migrateUp(client, migrationsFolder, options);
      return report(applied, (tag) => `applied ${tag}`, "Nothing to apply.");
    }
    case "down": {
      const takenBack = await migrateDown(client, migrationsFolder, { steps: command.steps });
      return report(takenBack, (tag) => `took back ${tag}`, "Nothing to take back.");
    }
    case "status": {
      const states = await migrationStatus(client, migrationsFolder);
      return report(states, ({ tag, appliedAt }) => `${appliedAt ?? NOT_APPLIED}  ${tag}`, "");
    }
    default:
      return unreachable(command.verb);
  }
}

function report<Item>(
  result: Result<readonly Item[], MigrationError>,
  describe: (item: Item) => string,
  whenEmpty: string,
): Lines {
  if (!result.ok) {
    return result;
  }
  return ok(result.value.length === 0 ? [whenEmpty] : result.value.map(describe));
}

const STATE_FOLDER = ".kerbside";
const DATABASE_NAME = "control.db";
const FOLDER_MODE = 0o700;

/** As wide as an ISO time, so that the tags stand in one column. */
const NOT_APPLIED = "pending".padEnd("2026-01-01T00:00:00.000Z".length);

const USAGE = `
usage: npm run db -- up [--to NNNN]   apply the migrations that are missing
       npm run db -- down [N]         take back the last one, or the last N
       npm run db -- status           say what is applied

       --state-dir FOLDER   the developer's database (default .kerbside, file control.db)
       --url URL            another database: libsql://, https:// or http://

LIBSQL_URL and LIBSQL_AUTH_TOKEN name it too; the token is read from there alone.`;
