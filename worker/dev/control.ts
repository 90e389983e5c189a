/**
 * The control plane as one process of a developer's machine: the database, served over the libSQL
 * HTTP protocol, and the Worker that uses it.
 *
 *     node worker/dev/control.ts --state-dir DIR --port PORT
 *
 * Tells its parent `{type: "ready", url}` or `{type: "failed", message}` over IPC, and ends with it.
 */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { toBase64Url } from "#shared/base/bytes.ts";
import { openDatabase } from "../repositories/database.ts";
import { createUser } from "../services/users.ts";
import { DatabaseFileError } from "./libsql/database-file.ts";
import { type LibsqlServer, startLibsqlServer } from "./libsql/server.ts";
import { type LocalWorker, startLocalWorker } from "./local-worker.ts";
import { migrateDatabase, MigrationFailure } from "./migrate/migrate-database.ts";
import { assertPortFree } from "./ports.ts";
import { runAsChild } from "./child.ts";
import { StartError, StateFolder } from "./state-folder.ts";
import { bundleWorker } from "./worker-bundle.ts";

async function startControl(
  state: StateFolder,
  port: number,
): Promise<{ database: LibsqlServer; worker: LocalWorker }> {
  const secrets = await state.secrets(Date.now());
  const authToken = toBase64Url(randomBytes(32));
  const isNew = !existsSync(state.databaseFile);
  const [script, database] = await Promise.all([
    bundleWorker(PROJECT_ROOT),
    startLibsqlServer({ file: state.databaseFile, host: HOST, port: 0, authToken }),
  ]);
  await migrateDatabase({ url: database.url, authToken });
  const url = `http://${HOST}:${port}`;
  const bindings = {
    ...secrets,
    LIBSQL_URL: database.url,
    LIBSQL_AUTH_TOKEN: authToken,
    PUBLIC_URL: url,
  };
  if (isNew) {
    await createAdmin(state, database, authToken);
  }
  const worker = await startLocalWorker({
    script,
    host: HOST,
    port,
    hubFolder: state.hubFolder,
    bindings,
  });
  return { database, worker };
}

/** What is wrong with the state folder, as a sentence that says what to do about it. */
function asStartError(error: unknown, state: StateFolder): unknown {
  return error instanceof DatabaseFileError || error instanceof MigrationFailure
    ? new StartError(
        `The state folder ${state.path} is corrupt: ${error.message} ` +
          "Restore it, or begin anew with `npm start -- --reset`.",
      )
    : error;
}

/** Idempotent: the first start makes the admin, later ones find that the name is taken. */
async function createAdmin(state: StateFolder, database: LibsqlServer, authToken: string) {
  const created = await createUser(
    {
      database: openDatabase({ url: database.url, authToken }),
      nowMs: () => Date.now(),
      randomBytes: (count) => Uint8Array.from(randomBytes(count)),
    },
    { username: "admin", password: state.adminPassword().password, role: "admin" },
  );
  if (!created.ok && created.error.code !== "resource.conflict") {
    throw new Error(`The admin could not be created: ${created.error.detail}`);
  }
}

const PROJECT_ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const HOST = "127.0.0.1";

// Last, when every constant above has its value.
await runAsChild(async () => {
  const { values } = parseArgs({
    options: { "state-dir": { type: "string" }, port: { type: "string" } },
  });
  const state = new StateFolder(values["state-dir"] ?? ".kerbside");
  const port = Number(values.port);
  await assertPortFree({ port, flag: "--port" });
  const { database, worker } = await startControl(state, port).catch((error: unknown) => {
    throw asStartError(error, state);
  });
  return {
    ready: { url: worker.url },
    stop: async () => {
      await worker.stop();
      await database.close();
    },
  };
});
