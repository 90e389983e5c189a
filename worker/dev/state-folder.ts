/**
 * The state folder of `npm start`: what it holds, who has it open, and how it begins anew. Files
 * with secrets are 0600 in a folder that is 0700, written whole or not at all.
 */
import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";
import { toBase64Url } from "#shared/base/bytes.ts";
import { generateSecrets, type Secrets, secretsSchema } from "./secrets.ts";

/** A sentence for the person who started us; nothing else is wrong with the program. */
export class StartError extends Error {
  override readonly name = "StartError";
}

const stateSchema = z.strictObject({
  version: z.literal(1),
  /** Where the demo console listens: kept, so that the console stays the same over restarts. */
  demoConsoleId: z.string().nullable(),
});

export type State = z.infer<typeof stateSchema>;

export class StateFolder {
  readonly path: string;
  readonly adminPasswordFile: string;
  readonly databaseFile: string;
  readonly hubFolder: string;
  readonly relayFolder: string;
  readonly demoFolder: string;

  constructor(path: string) {
    this.path = resolve(path);
    this.adminPasswordFile = join(this.path, "admin-password");
    this.databaseFile = join(this.path, "control.db");
    this.hubFolder = join(this.path, "hub");
    this.relayFolder = join(this.path, "relay");
    this.demoFolder = join(this.path, "demo");
  }

  /** Makes or opens the folder. @throws {StartError} when it is in use or not ours. */
  open(options: { readonly reset: boolean }): void {
    this.#refuseForeign();
    this.#refuseInUse();
    if (options.reset) {
      rmSync(this.path, { recursive: true, force: true });
    }
    try {
      mkdirSync(this.path, { recursive: true, mode: 0o700 });
      writePrivateFile(this.#lockFile, String(process.pid));
    } catch (error) {
      throw new StartError(`The state folder ${this.path} cannot be written: ${reasonOf(error)}.`);
    }
    if (!existsSync(this.#stateFile)) {
      this.writeState({ version: 1, demoConsoleId: null });
    }
  }

  close(): void {
    rmSync(this.#lockFile, { force: true });
  }

  readState(): State {
    return this.#readJson(this.#stateFile, stateSchema);
  }

  writeState(state: State): void {
    writePrivateFile(this.#stateFile, JSON.stringify(state));
  }

  /** The control plane's secrets, made at the first start. */
  async secrets(nowMs: number): Promise<Secrets> {
    if (!existsSync(this.#secretsFile)) {
      if (existsSync(this.databaseFile)) {
        throw this.#corrupt("secrets.json", "it is missing though there is a database");
      }
      writePrivateFile(this.#secretsFile, JSON.stringify(await generateSecrets(nowMs)));
    }
    return this.#readJson(this.#secretsFile, secretsSchema);
  }

  /** @throws {StartError} when a relay is enrolled with a database that is gone. */
  refuseOrphanedRelay(): void {
    const isEnrolled = existsSync(join(this.relayFolder, "identity.json"));
    if (isEnrolled && !existsSync(this.databaseFile)) {
      throw this.#corrupt("control.db", "it is missing though a relay is enrolled in it");
    }
  }

  /** The sentence for a password that the database does not have. */
  wrongPassword(): StartError {
    return this.#corrupt("admin-password", "the database has another one");
  }

  /** The admin's password, made at the first start. */
  adminPassword(): { readonly password: string; readonly isNew: boolean } {
    const isNew = !existsSync(this.adminPasswordFile);
    if (isNew && existsSync(this.databaseFile)) {
      throw this.#corrupt("admin-password", "it is missing though there is a database");
    }
    if (isNew) {
      writePrivateFile(this.adminPasswordFile, toBase64Url(randomBytes(PASSWORD_BYTES)));
    }
    const password = readFileSync(this.adminPasswordFile, "utf8").trim();
    if (password.length < PASSWORD_CHARACTERS_MIN) {
      throw this.#corrupt("admin-password", "it holds no password");
    }
    return { password, isNew };
  }

  get #stateFile(): string {
    return join(this.path, "state.json");
  }

  get #secretsFile(): string {
    return join(this.path, "secrets.json");
  }

  get #lockFile(): string {
    return join(this.path, "lock");
  }

  /** A folder with other people's files is never written to, and above all never deleted. */
  #refuseForeign(): void {
    let names: string[];
    try {
      names = existsSync(this.path) ? readdirSync(this.path) : [];
    } catch (error) {
      if (reasonOf(error) === "ENOTDIR") {
        throw new StartError(`${this.path} is a file, not a folder: name another --state-dir.`);
      }
      throw new StartError(`The state folder ${this.path} cannot be read: ${reasonOf(error)}.`);
    }
    const known = new Set(["state.json", "lock", "secrets.json"]);
    if (names.length > 0 && !names.some((name) => known.has(name))) {
      throw new StartError(
        `${this.path} is not a state folder of Kerbside: choose another with --state-dir.`,
      );
    }
  }

  #refuseInUse(): void {
    const holder = existsSync(this.#lockFile) ? Number(readFileSync(this.#lockFile, "utf8")) : 0;
    if (holder > 0 && holder !== process.pid && isAlive(holder)) {
      throw new StartError(
        `The state folder ${this.path} is in use by process ${holder}: stop it, ` +
          "or choose another folder with --state-dir.",
      );
    }
  }

  #readJson<Value>(file: string, schema: z.ZodType<Value>): Value {
    const name = file.slice(this.path.length + 1);
    try {
      return schema.parse(JSON.parse(readFileSync(file, "utf8")));
    } catch {
      throw this.#corrupt(name, "it does not hold what it should");
    }
  }

  #corrupt(name: string, what: string): StartError {
    return new StartError(
      `The state folder ${this.path} is corrupt (${name}: ${what}): ` +
        "restore it, or begin anew with `npm start -- --reset`.",
    );
  }
}

/** Writes a file that only its owner reads, whole or not at all. */
export function writePrivateFile(file: string, text: string): void {
  const temporary = `${file}.new`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, file);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

const PASSWORD_BYTES = 15;
const PASSWORD_CHARACTERS_MIN = 8;
