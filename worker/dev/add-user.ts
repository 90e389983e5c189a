/**
 * Adds a user to a database: the first admin of a deployment has nobody who could, and the last one
 * of a state folder may have lost the password.
 *
 *     LIBSQL_URL=… LIBSQL_AUTH_TOKEN=… npm run user -- add NAME [--role admin|user] --password-file F
 *     npm run user -- add NAME [--role admin|user] --password-file F --state-dir DIR
 */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { openDatabase } from "../repositories/database.ts";
import { createUser } from "../services/users.ts";
import { startLibsqlServer } from "./libsql/server.ts";
import { StateFolder } from "./state-folder.ts";

const USAGE =
  "Usage: npm run user -- add NAME [--role admin|user] --password-file F [--state-dir DIR]\n" +
  "Without --state-dir, LIBSQL_URL and LIBSQL_AUTH_TOKEN name the database.";

async function main(args: readonly string[]): Promise<number> {
  const request = readRequest(args);
  if (request === null) {
    return complain(USAGE, 2);
  }
  const url = process.env["LIBSQL_URL"] ?? "";
  if (request.stateDir === null && url === "") {
    return complain(`LIBSQL_URL is not set: it names the database.\n${USAGE}`, 2);
  }
  try {
    return request.stateDir === null
      ? await addUser(request, { url, authToken: process.env["LIBSQL_AUTH_TOKEN"] ?? "" })
      : await addToStateFolder(request, request.stateDir);
  } catch (error) {
    return complain(error instanceof Error ? error.message : String(error), 1);
  }
}

/** Also while the folder's own control plane runs. */
async function addToStateFolder(request: AddRequest, stateDir: string): Promise<number> {
  const file = new StateFolder(stateDir).databaseFile;
  if (!existsSync(file)) {
    return complain(`There is no database ${file}.`, 1);
  }
  const authToken = randomBytes(32).toString("base64url");
  const server = await startLibsqlServer({ file, authToken });
  try {
    return await addUser(request, { url: server.url, authToken });
  } finally {
    await server.close();
  }
}

async function addUser(
  request: AddRequest,
  address: { readonly url: string; readonly authToken: string },
): Promise<number> {
  const created = await createUser(
    {
      database: openDatabase(address),
      nowMs: () => Date.now(),
      randomBytes: (count) => Uint8Array.from(randomBytes(count)),
    },
    {
      username: request.username,
      password: readFileSync(request.passwordFile, "utf8").trim(),
      role: request.role,
    },
  );
  if (!created.ok) {
    return complain(created.error.detail, 1);
  }
  process.stdout.write(`${created.value.id}\n`);
  return 0;
}

interface AddRequest {
  readonly username: string;
  readonly passwordFile: string;
  readonly role: "admin" | "user";
  /** Of a control plane on this machine; null: the environment names the database. */
  readonly stateDir: string | null;
}

/** Null when the arguments make no sense. */
function readRequest(args: readonly string[]): AddRequest | null {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        role: { type: "string", default: "user" },
        "password-file": { type: "string" },
        "state-dir": { type: "string" },
      },
    });
    const [verb, username, ...rest] = positionals;
    const { role, "password-file": passwordFile, "state-dir": stateDir = null } = values;
    const isComplete = verb === "add" && rest.length === 0;
    if (!isComplete || username === undefined || passwordFile === undefined) {
      return null;
    }
    return role === "admin" || role === "user" ? { username, passwordFile, role, stateDir } : null;
  } catch {
    return null;
  }
}

function complain(sentence: string, exitCode: number): number {
  process.stderr.write(`${sentence}\n`);
  return exitCode;
}

process.exitCode = await main(process.argv.slice(2));
