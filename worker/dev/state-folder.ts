/**
 * The state folder of a control plane on one machine: what it holds, who has it open, and how it
 * begins anew. Files with secrets are 0600 in a folder that is 0700, written whole or not at all.
 * What only a start needs (schemas, key generation) is loaded when it is needed, because a
 * supervisor that opens the folder lives long.
 */
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import type { z } from "zod";
import { toBase64Url } from "#shared/base/bytes.ts";
import { LOCK_FILE, lockHolder, releaseLock, takeLock } from "./folder-lock.ts";
import { writePrivateFile } from "./private-file.ts";
import type { Secrets } from "./secrets.ts";
import type { State } from "./state-schema.ts";

/** A sentence for the person who started us; nothing else is wrong with the program. */
export class StartError extends Error {
  override readonly name = "StartError";
  /** 1; or 2, when another try with the same options and settings is no use. */
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The name of the user whose password is kept. */
export const FIRST_ADMIN = "admin";

export interface AdminPassword {
  readonly password: string;
  readonly isNew: boolean;
}

export class StateFolder {
  readonly path: string;
  readonly adminPasswordFile: string;
  readonly databaseFile: string;
  readonly hubFolder: string;
  readonly relayFolder: string;
  readonly demoFolder: string;
  /** What plain workerd is given: its configuration and the bundled Worker. */
  readonly workerdFolder: string;
  /** Completes a sentence about damage. */
  readonly #remedy: string;

  constructor(path: string, remedy: string = REMEDY_OF_NPM_START) {
    this.path = resolve(path);
    this.#remedy = remedy;
    this.adminPasswordFile = join(this.path, "admin-password");
    this.databaseFile = join(this.path, "control.db");
    this.hubFolder = join(this.path, "hub");
    this.relayFolder = join(this.path, "relay");
    this.demoFolder = join(this.path, "demo");
    this.workerdFolder = join(this.path, "workerd");
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
      chmodSync(this.path, 0o700);
      takeLock(this.path);
      if (!existsSync(this.#stateFile)) {
        this.writeState({ version: 1, demoConsoleId: null });
      }
    } catch (error) {
      throw new StartError(`The state folder ${this.path} cannot be written: ${reasonOf(error)}.`);
    }
  }

  close(): void {
    releaseLock(this.path);
  }

  async readState(): Promise<State> {
    const { stateSchema } = await import("./state-schema.ts");
    return this.#readJson(this.#stateFile, stateSchema);
  }

  writeState(state: State): void {
    writePrivateFile(this.#stateFile, JSON.stringify(state));
  }

  /** The control plane's secrets, made at the first start. */
  async secrets(nowMs: number): Promise<Secrets> {
    const { generateSecrets, secretsSchema } = await import("./secrets.ts");
    if (!existsSync(this.#secretsFile)) {
      if (existsSync(this.databaseFile)) {
        throw this.#corrupt("secrets.json", "it is missing though there is a database");
      }
      // The database makes its own keys that sign grants, and seals them.
      const { GRANT_SIGNING_KEY: _unused, ...secrets } = await generateSecrets(nowMs);
      this.writeSecrets(secrets);
    }
    return this.#readJson(this.#secretsFile, secretsSchema);
  }

  /** Puts others in the place of the secrets that lie there. */
  writeSecrets(secrets: Secrets): void {
    writePrivateFile(this.#secretsFile, JSON.stringify(secrets));
  }

  /** @throws {StartError} when a relay is enrolled with a database that is gone. */
  refuseOrphanedRelay(): void {
    const isEnrolled = existsSync(join(this.relayFolder, "identity.json"));
    if (isEnrolled && !existsSync(this.databaseFile)) {
      throw this.#corrupt("control.db", "it is missing though a relay is enrolled in it");
    }
  }

  /** The sentence for damage that somebody else found and described. */
  damaged(description: string): StartError {
    const remedy = this.#remedy.charAt(0).toUpperCase() + this.#remedy.slice(1);
    return new StartError(`The state folder ${this.path} is corrupt: ${description} ${remedy}.`);
  }

  /** The sentence for a password that the database does not have. */
  wrongPassword(): StartError {
    return this.#corrupt("admin-password", "the database has another one");
  }

  /** The admin's password, made at the first start; it is needed at each start. */
  adminPassword(): AdminPassword {
    if (!existsSync(this.adminPasswordFile) && existsSync(this.databaseFile)) {
      throw this.#corrupt("admin-password", "it is missing though there is a database");
    }
    return this.firstAdminPassword();
  }

  /** The password for an admin who is made now: the one that lies there, or a new one. */
  firstAdminPassword(): AdminPassword {
    const isNew = !existsSync(this.adminPasswordFile);
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
    // A password alone is how its owner chooses the first admin's.
    const known = new Set(["state.json", LOCK_FILE, "secrets.json", "admin-password"]);
    if (names.length > 0 && !names.some((name) => known.has(name))) {
      throw new StartError(
        `${this.path} is not a state folder of Kerbside: choose another with --state-dir.`,
      );
    }
  }

  #refuseInUse(): void {
    const holder = lockHolder(this.path);
    if (holder !== null) {
      throw new StartError(
        `The state folder ${this.path} is in use by process ${holder}: stop it, ` +
          "or choose another folder with --state-dir.",
      );
    }
  }

  #readJson<Value>(file: string, schema: z.ZodType<Value>): Value {
    const name = file.slice(this.path.length + 1);
    // A file that cannot be read is not a corrupt one.
    const text = readFileSync(file, "utf8");
    try {
      return schema.parse(JSON.parse(text));
    } catch {
      throw this.#corrupt(name, "it does not hold what it should");
    }
  }

  #corrupt(name: string, what: string): StartError {
    return new StartError(
      `The state folder ${this.path} is corrupt (${name}: ${what}): ${this.#remedy}.`,
    );
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

const REMEDY_OF_NPM_START = "restore it, or begin anew with `npm start -- --reset`";
const PASSWORD_BYTES = 15;
const PASSWORD_CHARACTERS_MIN = 8;
