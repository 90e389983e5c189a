/**
 * Adds a user to a deployment's database: the first admin has nobody who could.
 *
 *     LIBSQL_URL=… LIBSQL_AUTH_TOKEN=… npm run user -- add NAME [--role admin|user] --password-file F
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { openDatabase } from "../repositories/database.ts";
import { createUser } from "../services/users.ts";

const USAGE =
  "Usage: LIBSQL_URL=… LIBSQL_AUTH_TOKEN=… npm run user -- add NAME " +
  "[--role admin|user] --password-file F";

async function main(args: readonly string[]): Promise<number> {
  const request = readRequest(args);
  if (request === null) {
    return complain(USAGE, 2);
  }
  const url = process.env["LIBSQL_URL"];
  if (url === undefined || url === "") {
    return complain(`LIBSQL_URL is not set: it names the database.\n${USAGE}`, 2);
  }
  try {
    const created = await createUser(
      {
        database: openDatabase({ url, authToken: process.env["LIBSQL_AUTH_TOKEN"] ?? "" }),
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
  } catch (error) {
    return complain(error instanceof Error ? error.message : String(error), 1);
  }
}

interface AddRequest {
  readonly username: string;
  readonly passwordFile: string;
  readonly role: "admin" | "user";
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
      },
    });
    const [verb, username, ...rest] = positionals;
    const { role, "password-file": passwordFile } = values;
    const isComplete = verb === "add" && rest.length === 0;
    if (!isComplete || username === undefined || passwordFile === undefined) {
      return null;
    }
    return role === "admin" || role === "user" ? { username, passwordFile, role } : null;
  } catch {
    return null;
  }
}

function complain(sentence: string, exitCode: number): number {
  process.stderr.write(`${sentence}\n`);
  return exitCode;
}

process.exitCode = await main(process.argv.slice(2));
