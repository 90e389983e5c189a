/**
 * Adds users to a deployment's database and lets them in again: the first admin has nobody who
 * could, and neither has the last one who is locked out.
 *
 *     LIBSQL_URL=… LIBSQL_AUTH_TOKEN=… npm run user -- add NAME [--role ROLE] --password-file F
 *     LIBSQL_URL=… LIBSQL_AUTH_TOKEN=… npm run user -- set-password NAME --password-file F
 *     LIBSQL_URL=… LIBSQL_AUTH_TOKEN=… npm run user -- enable NAME
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
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

const USAGE = `Usage: LIBSQL_URL=… LIBSQL_AUTH_TOKEN=… npm run user -- COMMAND

  add NAME [--role ${ROLES.join("|")}] --password-file FILE
  set-password NAME --password-file FILE     another password; the user's logins end
  enable NAME                                lets a disabled user in again`;

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
    const done = await perform(request, {
      database: openDatabase({ url, authToken: process.env["LIBSQL_AUTH_TOKEN"] ?? "" }),
      nowMs: () => Date.now(),
      randomBytes: (count) => Uint8Array.from(randomBytes(count)),
    });
    if (!done.ok) {
      return complain(sentenceOf(done.error), 1);
    }
    process.stdout.write(`${done.value.id}\n`);
    return 0;
  } catch (error) {
    return complain(error instanceof Error ? error.message : String(error), 1);
  }
}

type Request =
  | {
      readonly verb: "add";
      readonly username: string;
      readonly passwordFile: string;
      readonly role: Role;
    }
  | { readonly verb: "set-password"; readonly username: string; readonly passwordFile: string }
  | { readonly verb: "enable"; readonly username: string };

async function perform(
  request: Request,
  context: PeopleContext,
): Promise<Result<{ readonly id: string }, FieldFailure>> {
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
      options: { role: { type: "string" }, "password-file": { type: "string" } },
    });
    const [verb, username, ...rest] = positionals;
    const { role: roleText, "password-file": passwordFile } = values;
    const role = ROLES.find((one) => one === (roleText ?? "user"));
    if (username === undefined || rest.length > 0 || role === undefined) {
      return null;
    }
    if (verb === "add" && passwordFile !== undefined) {
      return { verb, username, passwordFile, role };
    }
    if (verb === "set-password" && passwordFile !== undefined && roleText === undefined) {
      return { verb, username, passwordFile };
    }
    const isPlain = passwordFile === undefined && roleText === undefined;
    return verb === "enable" && isPlain ? { verb, username } : null;
  } catch {
    return null;
  }
}

function sentenceOf({ code, detail, fields = [] }: FieldFailure): string {
  const faults = fields.map(({ field, message }) => `${field}: ${message}`);
  return [detail, ...faults].filter((part) => part !== "").join(" ") || code;
}

function complain(sentence: string, exitCode: number): number {
  process.stderr.write(`${sentence}\n`);
  return exitCode;
}

process.exitCode = await main(process.argv.slice(2));
