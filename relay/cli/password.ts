/**
 * Where a password comes from: a file, the environment, a terminal (without echo) or standard
 * input. Never an argument, because every user of the machine can read those.
 */
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { reasonOf } from "../control/state-folder.ts";
import { type CliFailure, type CliTools, failed, misused } from "./command.ts";

/** The password, or the sentence why there is none. */
export async function readPassword(
  file: string | null,
  tools: CliTools,
): Promise<Result<string, CliFailure>> {
  if (file !== null) {
    return readSecretFile(file);
  }
  if (tools.environment.password !== null) {
    return ok(tools.environment.password);
  }
  const text = process.stdin.isTTY
    ? await ask("Password: ", { isHidden: true })
    : await readInput(process.stdin);
  return text === null || text === "" ? fail(misused("No password was given.")) : ok(text);
}

/** The user's name: asked for at a terminal, else it has to be given. */
export async function readUsername(given: string | null): Promise<Result<string, CliFailure>> {
  if (given !== null) {
    return ok(given);
  }
  const typed = process.stdin.isTTY ? await ask("User name: ", { isHidden: false }) : null;
  return typed === null || typed === ""
    ? fail(misused("--username is missing: who logs in."))
    : ok(typed);
}

/** The first line of a file that holds a secret. */
export async function readSecretFile(path: string): Promise<Result<string, CliFailure>> {
  try {
    const text = firstLine(await readFile(path, "utf8"));
    return text === "" ? fail(failed(`${path} is empty.`)) : ok(text);
  } catch (error) {
    return fail(failed(`${path} cannot be read: ${reasonOf(error)}.`));
  }
}

/** Asks at the terminal; null when the user gave up (Ctrl-C, Ctrl-D). */
async function ask(
  question: string,
  options: { readonly isHidden: boolean },
): Promise<string | null> {
  if (options.isHidden) {
    process.stderr.write(question);
  }
  // The terminal is in raw mode while readline runs: what this drops is the only echo.
  const output = options.isHidden
    ? new Writable({ write: (_chunk, _encoding, done) => done() })
    : process.stderr;
  const terminal = createInterface({ input: process.stdin, output, terminal: true });
  const gaveUp = new Promise<null>((resolve) => {
    terminal.once("SIGINT", () => resolve(null));
    terminal.once("close", () => resolve(null));
  });
  try {
    return await Promise.race([terminal.question(options.isHidden ? "" : question), gaveUp]);
  } finally {
    terminal.close();
    if (options.isHidden) {
      process.stderr.write("\n");
    }
  }
}

async function readInput(input: AsyncIterable<Buffer>): Promise<string | null> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of input) {
    sizeBytes += chunk.length;
    if (sizeBytes > INPUT_BYTES_MAX) {
      return null;
    }
    chunks.push(chunk);
  }
  return firstLine(Buffer.concat(chunks).toString("utf8"));
}

function firstLine(text: string): string {
  return text.split(/\r?\n/)[0] ?? "";
}

/** A password has some hundred bytes at most; more is a file that was piped in by mistake. */
const INPUT_BYTES_MAX = 64 * 1024;
