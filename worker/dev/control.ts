/**
 * The control plane as one process of a developer's machine: the database, served over the libSQL
 * HTTP protocol, and the Worker that uses it.
 *
 *     node worker/dev/control.ts --state-dir DIR --port PORT
 *
 * Tells its parent `{type: "ready", url}` or `{type: "failed", message}` over IPC, and ends with it.
 */
import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { toBase64Url } from "#shared/base/bytes.ts";
import { operatorSettings } from "../settings.ts";
import { checkSettings } from "./check-settings.ts";
import { runAsChild } from "./child.ts";
import { makeFirstAdmin } from "./first-admin.ts";
import { keepAuthority } from "./keep-authority.ts";
import { type LibsqlServer, startLibsqlServer } from "./libsql/server.ts";
import { type LocalWorker, startLocalWorker } from "./local-worker.ts";
import { migrateDatabase } from "./migrate/migrate-database.ts";
import { readOutboundCertificates } from "./outbound-certificates.ts";
import { assertPortFree } from "./ports.ts";
import { sayTrouble } from "./say-trouble.ts";
import { StateFolder } from "./state-folder.ts";
import { bundleWorker } from "./worker-bundle.ts";

async function startControl(
  state: StateFolder,
  port: number,
): Promise<{ database: LibsqlServer; worker: LocalWorker }> {
  const kept = await state.secrets(Date.now());
  const url = `http://${HOST}:${port}`;
  const settings = { ...operatorSettings(process.env), PUBLIC_URL: url };
  checkSettings({ ...settings, ...kept });
  const authToken = toBase64Url(randomBytes(32));
  const [script, database] = await Promise.all([
    bundleWorker("worker/index.ts"),
    startLibsqlServer({ file: state.databaseFile, host: HOST, port: 0, authToken }),
  ]);
  const address = { url: database.url, authToken };
  await migrateDatabase(address);
  const secrets = await keepAuthority(state, address, kept);
  const bindings = {
    ...settings,
    ...secrets,
    LIBSQL_URL: database.url,
    LIBSQL_AUTH_TOKEN: authToken,
  };
  await makeFirstAdmin(address, () => state.adminPassword());
  const worker = await startLocalWorker({
    script,
    host: HOST,
    port,
    hubFolder: state.hubFolder,
    bindings,
    outboundCaFile: readOutboundCertificates(process.env)?.file ?? null,
  });
  return { database, worker };
}

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
    throw sayTrouble(error, state);
  });
  return {
    ready: { url: worker.url },
    stop: async () => {
      await worker.stop();
      await database.close();
    },
  };
});
