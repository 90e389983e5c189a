/**
 * Everything that a self-hosted control plane does once at its start: secrets, the check of its
 * settings, migrations, the first admin, the bundled Worker. In a process of its own that then ends,
 * so that nothing of it stays in memory.
 *
 *     node worker/selfhost/prepare.ts --state-dir DIR --public-url URL
 *
 * Tells its parent `{type: "ready", secrets}` or `{type: "failed", message}` over IPC.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { checkSettings } from "../dev/check-settings.ts";
import { runAsChild } from "../dev/child.ts";
import { makeFirstAdmin } from "../dev/first-admin.ts";
import { withDatabaseFile } from "../dev/folder-database.ts";
import { keepAuthority } from "../dev/keep-authority.ts";
import { migrateDatabase } from "../dev/migrate/migrate-database.ts";
import { sayTrouble } from "../dev/say-trouble.ts";
import type { Secrets } from "../dev/secrets.ts";
import type { StateFolder } from "../dev/state-folder.ts";
import { bundleWorker } from "../dev/worker-bundle.ts";
import { operatorSettings } from "../settings.ts";
import { openSelfhostState, scriptFile, storageFolder } from "./selfhost-state.ts";

async function prepare(state: StateFolder, publicUrl: string): Promise<Secrets> {
  // The bundler is a process of its own, and takes as long as all the rest.
  const [script, secrets] = await Promise.all([
    bundleWorker("worker/self-hosted.ts"),
    prepareData(state, publicUrl),
  ]);
  mkdirSync(state.workerdFolder, { recursive: true });
  writeFileSync(scriptFile(state), script);
  return secrets;
}

async function prepareData(state: StateFolder, publicUrl: string): Promise<Secrets> {
  // Before there is a database: a folder with a database and no secrets is a damaged one.
  const secrets = await state.secrets(Date.now());
  checkSettings({ ...operatorSettings(process.env), ...secrets, PUBLIC_URL: publicUrl });
  mkdirSync(storageFolder(state), { recursive: true });
  return await withDatabaseFile(state.databaseFile, async (address) => {
    await migrateDatabase(address);
    await makeFirstAdmin(address, () => state.firstAdminPassword());
    return await keepAuthority(state, address, secrets);
  });
}

// Last, when every constant above has its value.
await runAsChild(async () => {
  const { values } = parseArgs({
    options: { "state-dir": { type: "string" }, "public-url": { type: "string" } },
  });
  const state = openSelfhostState(values["state-dir"] ?? "");
  const secrets = await prepare(state, values["public-url"] ?? "").catch((error: unknown) => {
    throw sayTrouble(error, state);
  });
  return { ready: { secrets }, stop: () => Promise.resolve() };
});
