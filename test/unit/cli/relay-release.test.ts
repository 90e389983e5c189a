/** What the relay is released with: a unit that systemd understands, and numbers that fit. */
import { spawnSync } from "node:child_process";
import { copyFileSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { DRAIN_SECONDS_DEFAULT, readRelayConfig } from "../../../relay/config.ts";
import { DATA_PLANE_LIMITS } from "../../../relay/limits.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";

const RELEASE = new URL("../../../relay/release/", import.meta.url);
const UNIT = readFileSync(new URL("kerbside-relay.service", RELEASE), "utf8");
const DOCKERFILE = readFileSync(new URL("Dockerfile", RELEASE), "utf8");
const hasSystemd = spawnSync("systemd-analyze", ["--version"]).status === 0;

function setting(name: string): string {
  const line = UNIT.split("\n").find((text) => text.startsWith(`${name}=`));
  return line?.slice(name.length + 1) ?? "";
}

describe("the systemd unit", () => {
  it.runIf(hasSystemd)("passes systemd-analyze verify without a word", async () => {
    await using folder = await makeTempFolder();
    const unit = folder.file("kerbside-relay.service");
    // The checker wants the program to be there; where Node is differs from machine to machine.
    copyFileSync(fileURLToPath(new URL("kerbside-relay.service", RELEASE)), unit);
    const verified = spawnSync("systemd-analyze", ["verify", unit], { encoding: "utf8" });
    const complaints = verified.stderr
      .split("\n")
      .filter((line) => line !== "" && !line.includes("/usr/bin/node is not executable"));
    expect(complaints).toEqual([]);
  });

  it.runIf(hasSystemd)("is rated as little exposed by systemd", () => {
    const rated = spawnSync(
      "systemd-analyze",
      ["security", "--offline=true", fileURLToPath(new URL("kerbside-relay.service", RELEASE))],
      { encoding: "utf8" },
    );
    const exposure = /Overall exposure level for \S+: ([0-9.]+)/.exec(rated.stdout)?.[1];
    expect(Number(exposure)).toBeLessThan(2);
  });

  it("waits longer than a drain and its end take, and signals the control process alone", () => {
    const drainSeconds = Number(/KERBSIDE_DRAIN_SECONDS=([0-9]+)/.exec(UNIT)?.[1]);
    expect(drainSeconds).toBe(DRAIN_SECONDS_DEFAULT);
    expect(Number.parseInt(setting("TimeoutStopSec"), 10)).toBeGreaterThan(drainSeconds + 10);
    expect(setting("KillMode")).toBe("mixed");
  });

  it("leaves file descriptors for every channel's two sockets", () => {
    expect(Number(setting("LimitNOFILE"))).toBeGreaterThan(2 * DATA_PLANE_LIMITS.connectionsMax);
  });

  it("lets V8 compile, and takes every other right away", () => {
    expect(UNIT).not.toMatch(/^MemoryDenyWriteExecute=yes/m);
    expect(setting("NoNewPrivileges")).toBe("yes");
    expect(setting("ProtectSystem")).toBe("strict");
    expect(setting("CapabilityBoundingSet")).toBe("");
  });
});

describe("the image", () => {
  it("runs the one file without a shell and without root", () => {
    expect(DOCKERFILE).toMatch(/^ENTRYPOINT \["\/usr\/local\/bin\/node", ".*relay\.mjs"\]$/m);
    expect(DOCKERFILE).toMatch(/^USER node$/m);
    expect(DOCKERFILE).toMatch(/^STOPSIGNAL SIGTERM$/m);
  });

  it("sets only variables that the relay reads", () => {
    const set = Object.fromEntries(
      [...DOCKERFILE.matchAll(/(KERBSIDE_[A-Z_]+)=(\S+)/g)].map(([, name, value]) => [name, value]),
    ) as Record<string, string>;
    expect(Object.keys(set)).toEqual(["KERBSIDE_STATE_DIR", "KERBSIDE_DRAIN_SECONDS"]);
    expect(readRelayConfig([], set)).toMatchObject({
      value: { config: { stateDir: "/var/lib/kerbside", drainSeconds: DRAIN_SECONDS_DEFAULT } },
    });
  });
});
