/**
 * The control plane as `npm start` runs it, in this process and without a relay: the Worker in
 * workerd, over an embedded database, with the settings that a test wants. Ends with `await using`.
 */
import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { startLibsqlServer } from "../../worker/dev/libsql/server.ts";
import { type LocalWorker, startLocalWorker } from "../../worker/dev/local-worker.ts";
import { migrateDatabase } from "../../worker/dev/migrate/migrate-database.ts";
import { findFreePort } from "../../worker/dev/ports.ts";
import { generateSecrets } from "../../worker/dev/secrets.ts";
import { bundleWorker } from "../../worker/dev/worker-bundle.ts";
import { openDatabase } from "../../worker/repositories/database.ts";
import type { Role } from "../../worker/identity/permissions.ts";
import { createUser } from "../../worker/services/users.ts";
import { makeTempFolder } from "./temp-folder.ts";

export interface LocalControl extends AsyncDisposable {
  readonly url: string;
  /** Makes a local user. */
  makeUser(username: string, password: string, role: Role): Promise<void>;
  /** Starts the Worker anew, over what it has stored, with some settings changed. */
  restart(changes: Readonly<Record<string, string>>): Promise<void>;
}

/** @param settings by name, besides those that every control plane has. They may depend on its URL. */
export async function startLocalControl(
  settings: (url: string) => Promise<Readonly<Record<string, string>>> = async () => ({}),
  outboundCaFile: string | null = null,
): Promise<LocalControl> {
  const folder = await makeTempFolder();
  const authToken = randomBytes(24).toString("base64url");
  const [script, server, port] = await Promise.all([
    bundleWorker("worker/index.ts"),
    startLibsqlServer({ file: folder.file("control.db"), authToken }),
    // The public URL has to be known before the Worker is.
    findFreePort(),
  ]);
  await migrateDatabase({ url: server.url, authToken });
  await mkdir(folder.file("hub"));
  const url = `http://127.0.0.1:${port}`;
  const start = async (bindings: Readonly<Record<string, string>>): Promise<LocalWorker> =>
    await startLocalWorker({
      script,
      host: "127.0.0.1",
      port,
      hubFolder: folder.file("hub"),
      bindings,
      outboundCaFile,
    });
  const bindings = {
    ...(await generateSecrets(Date.now())),
    LIBSQL_URL: server.url,
    LIBSQL_AUTH_TOKEN: authToken,
    PUBLIC_URL: url,
    ...(await settings(url)),
  };
  let worker = await start(bindings);
  return {
    url,
    makeUser: async (username, password, role) => {
      const context = {
        database: openDatabase({ url: server.url, authToken }),
        nowMs: () => Date.now(),
        randomBytes: (count: number) => Uint8Array.from(randomBytes(count)),
      };
      const made = await createUser(context, { username, password, role });
      if (!made.ok) {
        throw new Error(made.error.code);
      }
    },
    restart: async (changes) => {
      await worker.stop();
      worker = await start({ ...bindings, ...changes });
    },
    [Symbol.asyncDispose]: async () => {
      await worker.stop();
      await server.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}
