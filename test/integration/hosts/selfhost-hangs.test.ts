/**
 * A self-hosted control plane whose parts run and answer nothing. The host is one of this process, so
 * that it can be told to lose its patience sooner than the real one.
 */
import { mkdir } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { openSelfhostState } from "../../../worker/selfhost/selfhost-state.ts";
import { Host } from "../../../worker/selfhost/host.ts";
import { eventually } from "../../harness/deadline.ts";
import { processesNaming } from "../../harness/processes.ts";
import { SELFHOST_PARTS } from "../../harness/running-host.ts";
import { freePort } from "../../harness/stack.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";

describe("a self-hosted control plane whose parts hang", { timeout: 90_000 }, () => {
  it.each(["workerd", "database"] as const)("serves again: %s", async (part) => {
    await using folder = await makeTempFolder();
    const state = openSelfhostState(folder.file("state"));
    await mkdir(state.path);
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const host = new Host(
      { host: "127.0.0.1", port, publicUrl: url, stateDir: state.path, json: false, help: false },
      state,
      process.env,
      { everyMs: 50, answerMs: 500, questionsMin: 2, silenceMsMin: 500, lateMsMax: 5_000 },
    );
    try {
      await host.start();
      const hanging = pidOf(state.path, part);
      process.kill(hanging, "SIGSTOP");
      await eventually(
        "another one serves",
        async () => {
          const [other] = pidsOf(state.path, part);
          return other !== undefined && other !== hanging && (await isReady(url)) ? true : null;
        },
        { timeoutMs: 30_000, intervalMs: 100 },
      );
    } finally {
      await host.stop();
    }
    expect(processesNaming(state.path)).toEqual([]);
  });
});

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
