/**
 * What the Worker's tests run on: an embedded libSQL server on a file of its own, migrated, and
 * fresh secrets; all given to workerd as bindings. One for the whole run: tests use names of their
 * own instead of clearing tables.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { startLibsqlServer } from "../../worker/dev/libsql/server.ts";
import { migrateDatabase } from "../../worker/dev/migrate/migrate-database.ts";
import { generateSecrets } from "../../worker/dev/secrets.ts";

declare module "vitest" {
  export interface ProvidedContext {
    workerBindings: Record<string, string>;
  }
}

/** Vitest's global set-up; what it returns takes everything down again. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "kerbside-worker-"));
  const authToken = randomBytes(24).toString("base64url");
  const server = await startLibsqlServer({ file: join(folder, "control.db"), authToken });
  await migrateDatabase({ url: server.url, authToken });
  const secrets = await generateSecrets(Date.now());
  project.provide("workerBindings", {
    ...secrets,
    LIBSQL_URL: server.url,
    LIBSQL_AUTH_TOKEN: authToken,
    PUBLIC_URL: TEST_PUBLIC_URL,
    // Tests move clocks and share a database: what jobs do they ask for themselves.
    KERBSIDE_JOBS: "off",
  });
  return async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  };
}

/** Never dialled: requests go to the Worker directly. */
const TEST_PUBLIC_URL = "https://kerbside.test";
