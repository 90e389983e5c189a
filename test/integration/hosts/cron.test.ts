/** That Cloudflare's clock reaches the jobs: the Worker as wrangler.toml has it, in workerd. */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { createTestHarness, unstable_readConfig } from "wrangler";
import { startLibsqlServer } from "../../../worker/dev/libsql/server.ts";
import { generateSecrets } from "../../../worker/dev/secrets.ts";
import { JOBS } from "../../../worker/jobs/jobs.ts";
import { writeMigratedDatabase } from "../../harness/database-template.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";

it("is asked for every minute, and one event makes all jobs run", { timeout: 60_000 }, async () => {
  const { crons } = unstable_readConfig({ config: CONFIG_FILE }).triggers;
  expect(crons).toEqual([EVERY_MINUTE]);

  await using host = await startAsDeployed();
  // No request is made, because the first one would wake the clock as well.
  const { outcome } = await host.worker.scheduled({ cron: EVERY_MINUTE });
  expect(outcome).toBe("ok");
  const clock = await host.worker.getDurableObjectStorage("CLOCK", { name: "clock" });
  const succeeded = "SELECT name FROM job_runs WHERE succeeded_at_ms IS NOT NULL";
  await expect
    .poll(async () => (await clock.exec<{ name: string }>(succeeded)).map(({ name }) => name), {
      timeout: 20_000,
    })
    .toEqual(expect.arrayContaining(JOBS.map(({ name }) => name)));
});

async function startAsDeployed() {
  const folder = await makeTempFolder();
  const database = folder.file("control.db");
  const authToken = "test-token";
  await writeMigratedDatabase(database);
  const server = await startLibsqlServer({ file: database, authToken });
  const secrets = await generateSecrets(Date.now());
  const harness = createTestHarness({
    workers: [
      {
        configPath: CONFIG_FILE,
        secrets: { ...secrets, LIBSQL_URL: server.url, LIBSQL_AUTH_TOKEN: authToken },
      },
    ],
  });
  await harness.listen();
  return {
    worker: harness.getWorker(),
    [Symbol.asyncDispose]: async () => {
      await harness.close();
      await server.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const EVERY_MINUTE = "* * * * *";
const PROJECT_ROOT = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
const CONFIG_FILE = join(PROJECT_ROOT, "wrangler.toml");
