/**
 * The demo console as a real virtual machine: QEMU with the boot sector, behind a password. It
 * tells whether this machine has such a QEMU, and starts one.
 */
import { execFile } from "node:child_process";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { DemoConsole } from "./demo-console-kind.ts";
import { QEMU_COMMAND, startQemu } from "./qemu-process.ts";

/**
 * Whether `qemu-system-x86_64` is in the PATH and was built with SPICE and qxl-vga. It runs QEMU
 * twice with a help option: about 0.1 s, and no machine is made.
 */
export async function hasQemuWithSpice(): Promise<boolean> {
  const [spice, adapter] = await Promise.all([
    helpOutput(["-spice", "help"]),
    helpOutput(["-device", "qxl-vga,help"]),
  ]);
  return spice.includes("tls-port=") && adapter.includes("qxl-vga options");
}

/**
 * Starts the virtual machine and waits until it serves SPICE.
 * @param runDir a folder of its own for the machine's files
 * @param password SPICE password, at most 60 bytes
 */
export async function startQemuConsole(
  runDir: string,
  password: string,
): Promise<Result<DemoConsole, string>> {
  const started = await startQemu({ runDir, password, port: "random", tls: null });
  if (!started.ok) {
    return started;
  }
  const { host, port, exited, stop } = started.value;
  if (port === null) {
    await stop();
    return fail("QEMU has no plain SPICE port");
  }
  return ok({ kind: "qemu", host, port, password, exited, stop });
}

/** QEMU's help may end with exit code 1; what it printed is what counts. */
function helpOutput(args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(QEMU_COMMAND, args, { timeout: PROBE_TIMEOUT_MS }, (_error, output) => {
      resolve(output);
    });
  });
}

/** A help option is answered within 100 ms; a cold disk takes longer. */
const PROBE_TIMEOUT_MS = 5_000;
