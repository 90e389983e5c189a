/**
 * Adds users to a deployment's database and lets them in again: the first admin has nobody who
 * could, and neither has the last one who is locked out.
 *
 *     LIBSQL_URL=… LIBSQL_AUTH_TOKEN=… npm run user -- add NAME [--role ROLE] --password-file F
 *     LIBSQL_URL=… LIBSQL_AUTH_TOKEN=… npm run user -- set-password NAME --password-file F
 *     LIBSQL_URL=… LIBSQL_AUTH_TOKEN=… npm run user -- enable NAME
 *
 * With `--state-dir DIR` in the place of the variables: of a control plane on this machine, also
 * while it runs.
 */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { type Role, ROLES } from "../identity/permissions.ts";
import { openDatabase } from "../repositories/database.ts";
import type { FieldFailure } from "../services/field-failure.ts";
import {
  createUser,
  enableUserNamed,
  type PeopleContext,
  setPasswordNamed,
} from "../services/users.ts";
import { type DatabaseAddress, withDatabaseFile } from "./folder-database.ts";
import { StateFolder } from "./state-folder.ts";

const USAGE = `Usage: npm run user -- COMMAND [--state-dir DIR]

  add NAME [--role ${ROLES.join("|")}] --password-file FILE
  set-password NAME --password-file FILE     another password; the user's logins end
  enable NAME                                lets a disabled user in again

Without --state-dir, LIBSQL_URL and LIBSQL_AUTH_TOKEN name the database.`;

/** What the command needs of its process. */
export interface UserCommandPorts {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly writeOut: (line: string) => void;
  readonly writeError: (line: string) => void;
}

/** Runs the command. Gives its exit code: 0 done, 1 failed, 2 wrong arguments. */
export async function runUser(
  args: readonly string[],
  { env, writeOut, writeError }: UserCommandPorts,
): Promise<number> {
  const complain = (sentence: string, exitCode: number): number => {
    writeError(sentence);
    return exitCode;
  };
  const request = readRequest(args);
  if (request === null) {
    return complain(USAGE, 2);
  }
  const url = env["LIBSQL_URL"] ?? "";
  if (request.stateDir === null && url === "") {
    return complain(`LIBSQL_URL is not set: it names the database.\n${USAGE}`, 2);
  }
  try {
    const done =
      request.stateDir === null
        ? await perform(request, { url, authToken: env["LIBSQL_AUTH_TOKEN"] ?? "" })
        : await performInFolder(request, request.stateDir);
    if (!done.ok) {
      return complain(sentenceOf(done.error), 1);
    }
    writeOut(done.value.id);
    return 0;
  } catch (error) {
    return complain(error instanceof Error ? error.message : String(error), 1);
  }
}

type Order =
  | {
      readonly verb: "add";
      readonly username: string;
      readonly passwordFile: string;
      readonly role: Role;
    }
  | { readonly verb: "set-password"; readonly username: string; readonly passwordFile: string }
  | { readonly verb: "enable"; readonly username: string };

/** `stateDir`: of a control plane on this machine; null: the environment names the database. */
type Request = Order & { readonly stateDir: string | null };

type Outcome = Result<{ readonly id: string }, FieldFailure>;

async function performInFolder(request: Request, stateDir: string): Promise<Outcome> {
  const file = new StateFolder(stateDir).databaseFile;
  if (!existsSync(file)) {
    throw new Error(`There is no database ${file}.`);
  }
  return await withDatabaseFile(file, async (address) => await perform(request, address));
}

async function perform(request: Request, address: DatabaseAddress): Promise<Outcome> {
  const context: PeopleContext = {
    database: openDatabase(address),
    nowMs: () => Date.now(),
    randomBytes: (count) => Uint8Array.from(randomBytes(count)),
  };
  const { username } = request;
  if (request.verb === "enable") {
    const enabled = await enableUserNamed(context, username);
    return enabled === null
      ? fail({ code: "resource.not-found", detail: "There is no user of that name." })
      : ok(enabled);
  }
  const password = readFileSync(request.passwordFile, "utf8").trim();
  return request.verb === "add"
    ? await createUser(context, { username, password, role: request.role })
    : await setPasswordNamed(context, { username, password });
}

/** Null when the arguments make no sense. */
function readRequest(args: readonly string[]): Request | null {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        role: { type: "string" },
        "password-file": { type: "string" },
        "state-dir": { type: "string" },
      },
    });
    const [verb, username, ...rest] = positionals;
    const { role: roleText, "password-file": passwordFile, "state-dir": stateDir = null } = values;
    const role = ROLES.find((one) => one === (roleText ?? "user"));
    if (username === undefined || rest.length > 0 || role === undefined) {
      return null;
    }
    if (verb === "add" && passwordFile !== undefined) {
      return { verb, username, passwordFile, role, stateDir };
    }
    if (verb === "set-password" && passwordFile !== undefined && roleText === undefined) {
      return { verb, username, passwordFile, stateDir };
    }
    const isPlain = passwordFile === undefined && roleText === undefined;
    return verb === "enable" && isPlain ? { verb, username, stateDir } : null;
  } catch {
    return null;
  }
}

function sentenceOf({ code, detail, fields = [] }: FieldFailure): string {
  const faults = fields.map(({ field, message }) => `${field}: ${message}`);
  return [detail, ...faults].filter((part) => part !== "").join(" ") || code;
}
