/**
 * The host of a self-hosted control plane as an object of this process, so that it can be stopped at
 * any moment and told to lose its patience sooner than the real one.
 */
import { readdirSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { openSelfhostState } from "../../../worker/selfhost/selfhost-state.ts";
import { Host } from "../../../worker/selfhost/host.ts";
import { eventually } from "../../harness/deadline.ts";
import { processesNaming } from "../../harness/processes.ts";
import { SELFHOST_PARTS } from "../../harness/running-host.ts";
import { freePort } from "../../harness/stack.ts";
import { makeTempFolder, type TempFolder } from "../../harness/temp-folder.ts";

describe("a self-hosted control plane", { timeout: 90_000 }, () => {
  it.each(["workerd", "database"] as const)(
    "starts a part again that runs and answers nothing: %s",
    async (part) => {
      await using folder = await makeTempFolder();
      const { host, stateDir, url } = await makeHost(folder);
      try {
        await host.start();
        const hanging = pidOf(stateDir, part);
        process.kill(hanging, "SIGSTOP");
        await eventually(
          "another one serves",
          async () => {
            const [other] = pidsOf(stateDir, part);
            return other !== undefined && other !== hanging && (await isReady(url)) ? true : null;
          },
          { timeoutMs: 30_000, intervalMs: 100 },
        );
      } finally {
        await host.stop();
      }
      expect(processesNaming(stateDir)).toEqual([]);
    },
  );

  it("begins nothing that nobody would end when it is stopped at once", async () => {
    await using folder = await makeTempFolder();
    const { host, stateDir } = await makeHost(folder);
    const starting = host.start();
    await Promise.all([host.stop(), expect(starting).rejects.toThrow("stopped before")]);
    expect(readdirSync(stateDir)).toEqual([]);
  });
});

async function makeHost(folder: TempFolder) {
  const state = openSelfhostState(folder.file("state"));
  const { path: stateDir } = state;
  await mkdir(stateDir);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const options = { host: "127.0.0.1", port, publicUrl: url, stateDir, json: false, help: false };
  const host = new Host(options, state, process.env, {
    everyMs: 50,
    answerMs: 500,
    questionsMin: 2,
    silenceMsMin: 500,
    lateMsMax: 5_000,
  });
  return { host, stateDir, url };
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
}

function pidsOf(folder: string, part: keyof typeof SELFHOST_PARTS): number[] {
  return processesNaming(folder)
    .filter(({ commandLine }) => commandLine.includes(SELFHOST_PARTS[part]))
    .map(({ pid }) => pid);
}

function pidOf(folder: string, part: keyof typeof SELFHOST_PARTS): number {
  const [pid] = pidsOf(folder, part);
  expect(pid, `${part} runs`).toBeDefined();
  return pid ?? 0;
}
