/** What a self-hosted control plane is run by: a unit that systemd understands, and numbers that fit. */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parseSelfhostOptions } from "../../../worker/selfhost/options.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";

const PROJECT_ROOT = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
const UNIT_FILE = join(PROJECT_ROOT, "worker/selfhost/release/kerbside-control.service");
const UNIT = readFileSync(UNIT_FILE, "utf8");
const hasSystemd = spawnSync("systemd-analyze", ["--version"]).status === 0;

function setting(name: string): string {
  const line = UNIT.split("\n").find((text) => text.startsWith(`${name}=`));
  return line?.slice(name.length + 1) ?? "";
}

describe("the control plane's systemd unit", () => {
  it.runIf(hasSystemd)("passes systemd-analyze verify without a word", async () => {
    await using folder = await makeTempFolder();
    const unit = folder.file("kerbside-control.service");
    // The checker wants the program to be there; it is where the checkout is.
    copyFileSync(UNIT_FILE, unit);
    const verified = spawnSync("systemd-analyze", ["verify", unit], { encoding: "utf8" });
    const complaints = verified.stderr
      .split("\n")
      .filter((line) => line !== "" && !/\/opt\/kerbside\/\S+ is not executable/.test(line));
    expect(complaints).toEqual([]);
  });

  it.runIf(hasSystemd)("is rated as little exposed by systemd", () => {
    const args = ["security", "--offline=true", UNIT_FILE];
    const rated = spawnSync("systemd-analyze", args, { encoding: "utf8" });
    const exposure = /Overall exposure level for \S+: ([0-9.]+)/.exec(rated.stdout)?.[1];
    expect(Number(exposure)).toBeLessThan(2);
  });

  it("starts a program and a Node that a checkout has, with options that it takes", () => {
    const command = UNIT.replace(/\\\n\s*/g, "");
    const [, line = ""] = /^ExecStart=(.*)$/m.exec(command) ?? [];
    const [node = "", program = "", ...args] = line.split(/ +/);
    for (const path of [node, program]) {
      expect(existsSync(path.replace("/opt/kerbside", PROJECT_ROOT)), path).toBe(true);
    }
    const known = args.filter((argument) => argument !== "$SELFHOST_OPTIONS");
    expect(parseSelfhostOptions(known, {})).toMatchObject({
      value: { stateDir: `/var/lib/${setting("StateDirectory")}` },
    });
  });

  it("waits longer than the parts may take to end, and signals the supervisor alone", () => {
    expect(Number.parseInt(setting("TimeoutStopSec"), 10)).toBeGreaterThan(2 + 10 + 10);
    expect(setting("KillMode")).toBe("mixed");
  });

  it("lets V8 compile and setpriv start workerd, and takes every other right away", () => {
    expect(UNIT).not.toMatch(/^MemoryDenyWriteExecute=yes/m);
    expect(UNIT).toMatch(/^SystemCallFilter=~@privileged.*\n(#.*\n)*SystemCallFilter=capset$/m);
    expect(setting("NoNewPrivileges")).toBe("yes");
    expect(setting("ProtectSystem")).toBe("strict");
    expect(setting("CapabilityBoundingSet")).toBe("");
  });
});
