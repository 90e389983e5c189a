/**
 * Makes a deployment's secrets, and changes the key that secrets in its database are sealed with.
 *
 *     npm run secrets > kerbside-secrets.json        the form that `wrangler secret bulk` takes
 *     npm run secrets -- key                         one more key, for SECRETS_KEYS
 *     npm run secrets -- authority                   one more certificate authority
 *     LIBSQL_URL=… SECRETS_KEYS=… npm run secrets -- count
 *     LIBSQL_URL=… SECRETS_KEYS=… npm run secrets -- reencrypt
 *
 * With `--state-dir DIR` in the place of LIBSQL_URL: of a control plane on this machine, also while
 * it runs; SECRETS_KEY is then that of the folder.
 */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { toBase64Url } from "#shared/base/bytes.ts";
import { parseSecretsKeys, type SecretsKeys } from "../identity/secrets-keys.ts";
import { openDatabase } from "../repositories/database.ts";
import { SYSTEM_CALLER } from "../services/audit-record.ts";
import { countSecrets, reencryptSecrets } from "../services/secrets-upkeep.ts";
import { type DatabaseAddress, withDatabaseFile } from "./folder-database.ts";
import { generateAuthority, generateSecrets } from "./secrets.ts";
import { StateFolder } from "./state-folder.ts";

const USAGE = `Usage: npm run secrets [-- COMMAND [--state-dir DIR]]

  key         prints one more key, as SECRETS_KEYS lists it
  authority   prints another certificate authority: CA_CERTIFICATE and its CA_KEY
  count       says how many secrets each key has sealed
  reencrypt   seals with the first key what older keys have sealed

Without a command: prints the secrets of a new deployment. Without --state-dir, LIBSQL_URL and
LIBSQL_AUTH_TOKEN name the database, SECRETS_KEYS and SECRETS_KEY hold the keys.`;

/** What the command needs of its process. */
export interface SecretsCommandPorts {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly writeOut: (line: string) => void;
  readonly writeError: (line: string) => void;
}

/** Runs the command. Gives its exit code: 0 done, 1 failed or in part, 2 wrong arguments. */
export async function runSecrets(
  args: readonly string[],
  ports: SecretsCommandPorts,
): Promise<number> {
  const request = readRequest(args);
  if (request === null) {
    ports.writeError(USAGE);
    return 2;
  }
  const { verb, stateDir } = request;
  if (verb === "make") {
    ports.writeOut(JSON.stringify(await generateSecrets(Date.now()), null, 2));
    return 0;
  }
  if (verb === "key") {
    ports.writeOut(newNamedKey(new Date()));
    return 0;
  }
  if (verb === "authority") {
    ports.writeOut(JSON.stringify(await generateAuthority(Date.now()), null, 2));
    return 0;
  }
  if (stateDir === null && (ports.env["LIBSQL_URL"] ?? "") === "") {
    ports.writeError(`LIBSQL_URL is not set: it names the database.\n${USAGE}`);
    return 2;
  }
  const work = verb === "count" ? count : reencrypt;
  try {
    return stateDir === null
      ? await work(deploymentOf(ports.env), ports)
      : await workInFolder(stateDir, ports, work);
  } catch (error) {
    ports.writeError(error instanceof Error ? error.message : String(error));
    return 1;
  }
}

interface Request {
  readonly verb: (typeof VERBS)[number];
  /** Of a control plane on this machine; null: the environment names the database. */
  readonly stateDir: string | null;
}

interface Deployment extends DatabaseAddress {
  readonly secretsKeys: SecretsKeys;
}

type Work = (deployment: Deployment, ports: SecretsCommandPorts) => Promise<number>;

async function workInFolder(
  stateDir: string,
  ports: SecretsCommandPorts,
  work: Work,
): Promise<number> {
  const state = new StateFolder(stateDir, "restore it from a backup");
  if (!existsSync(state.databaseFile)) {
    throw new Error(`There is no database ${state.databaseFile}.`);
  }
  const { SECRETS_KEY } = await state.secrets(Date.now());
  const { SECRETS_KEYS } = ports.env;
  const secretsKeys = parseSecretsKeys({ SECRETS_KEYS, SECRETS_KEY });
  return await withDatabaseFile(
    state.databaseFile,
    async (address) => await work({ ...address, secretsKeys }, ports),
  );
}

async function count(deployment: Deployment, { writeOut }: SecretsCommandPorts): Promise<number> {
  const { currentKeyId, counts } = await countSecrets(contextOf(deployment));
  writeOut(`The key in use is ${currentKeyId}.`);
  for (const { column, keyId, count: sealed } of counts) {
    const key = keyId === "" ? "a key without an id" : `key ${keyId}`;
    writeOut(`${column}: ${sealed} sealed with ${key}`);
  }
  return 0;
}

/** Goes on until all is done; broken off and begun anew it goes on as well. */
async function reencrypt(
  deployment: Deployment,
  { writeOut, writeError }: SecretsCommandPorts,
): Promise<number> {
  const context = contextOf(deployment);
  let cursor: string | null = null;
  let done = 0;
  let unreadable = 0;
  do {
    const batch = await reencryptSecrets(context, SYSTEM_CALLER, cursor);
    if (!batch.ok) {
      throw new Error(batch.error.code);
    }
    done += batch.value.reencrypted;
    if (batch.value.reencrypted > 0) {
      writeOut(`${done} sealed again`);
    }
    for (const { column, rowId } of batch.value.unreadable) {
      unreadable += 1;
      writeError(`No key opens ${column} of ${rowId}: left as it is.`);
    }
    cursor = batch.value.nextCursor;
  } while (cursor !== null);
  writeOut(`Done: ${done} sealed again, ${unreadable} unreadable.`);
  return unreadable === 0 ? 0 : 1;
}

function contextOf({ url, authToken, secretsKeys }: Deployment) {
  return {
    database: openDatabase({ url, authToken }),
    settings: { secretsKeys },
    nowMs: () => Date.now(),
    randomBytes: (length: number) => Uint8Array.from(randomBytes(length)),
  };
}

function deploymentOf(env: SecretsCommandPorts["env"]): Deployment {
  return {
    url: env["LIBSQL_URL"] ?? "",
    authToken: env["LIBSQL_AUTH_TOKEN"] ?? "",
    secretsKeys: parseSecretsKeys(env),
  };
}

/** Named by its day, and by chance for the second one of a day. */
function newNamedKey(now: Date): string {
  const id = `${now.toISOString().slice(0, 10)}-${randomBytes(2).toString("hex")}`;
  return `${id}:${toBase64Url(randomBytes(KEY_BYTES))}`;
}

/** Null when the arguments make no sense. */
function readRequest(args: readonly string[]): Request | null {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { "state-dir": { type: "string" } },
    });
    const [verb = "make", ...rest] = positionals;
    const { "state-dir": stateDir = null } = values;
    const known = VERBS.find((one) => one === verb);
    const takesFolder = known === "count" || known === "reencrypt";
    return known === undefined || rest.length > 0 || (stateDir !== null && !takesFolder)
      ? null
      : { verb: known, stateDir };
  } catch {
    return null;
  }
}

const VERBS = ["make", "key", "authority", "count", "reencrypt"] as const;
const KEY_BYTES = 32;
