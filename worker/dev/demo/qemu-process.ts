/**
 * Starts one QEMU that shows the boot sector over SPICE on loopback, and ends it.
 *
 * Promises: listens on 127.0.0.1 only; the SPICE password is never on a command line and its file
 * (mode 0600) is gone once QEMU has read it; the monitor is a socket pair that nobody else can open;
 * QEMU dies with this process. "Started" means that QEMU's main loop answers, which is after the
 * SPICE ports accept. It must not choose passwords or print anything.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { assert } from "#shared/base/assert.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { bootSector } from "./boot-sector.ts";
import { awaitExit, boundToParent, endProcess } from "./end-process.ts";
import { QmpClient } from "./qmp-client.ts";

/** What to start. */
export interface QemuOptions {
  /** A folder for the disk image and the password's file; made when it is not there. */
  readonly runDir: string;
  /** The SPICE password; null lets everybody in. At most 60 bytes (SPICE_MAX_PASSWORD_LENGTH). */
  readonly password: string | null;
  /** The plain port: a number, "random", or null for none. */
  readonly port: number | "random" | null;
  /** The TLS port, and the folder with ca-cert.pem, server-cert.pem and server-key.pem. */
  readonly tls: { readonly port: number | "random"; readonly x509Dir: string } | null;
  /** More `-spice` options, such as `tls-channel=main`. */
  readonly spiceOptions?: readonly string[];
  /** More arguments for QEMU. */
  readonly extraArguments?: readonly string[];
}

/** A running QEMU. */
export interface QemuProcess {
  readonly pid: number;
  readonly host: "127.0.0.1";
  readonly port: number | null;
  readonly tlsPort: number | null;
  readonly qmp: QmpClient;
  /** Resolves when QEMU has exited, for whatever reason. */
  readonly exited: Promise<void>;
  /** The last part of what QEMU wrote on its standard error. */
  readonly errorOutput: () => string;
  /** Ends QEMU, by force after a deadline. Idempotent. */
  readonly stop: () => Promise<void>;
}

/** Starts QEMU and waits until it serves SPICE. The failure is one sentence. */
export async function startQemu(options: QemuOptions): Promise<Result<QemuProcess, string>> {
  const isPortGiven = typeof options.port === "number" || typeof options.tls?.port === "number";
  const attemptsMax = isPortGiven ? 1 : PORT_ATTEMPTS_MAX;
  let failure = "";
  for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
    const started = await startOnce(options);
    if (started.ok || !PORT_TAKEN.test(started.error)) {
      return started;
    }
    failure = started.error;
  }
  return fail(failure);
}

async function startOnce(options: QemuOptions): Promise<Result<QemuProcess, string>> {
  const port = await choosePort(options.port);
  const tlsPort = options.tls === null ? null : await choosePort(options.tls.port);
  await mkdir(options.runDir, { recursive: true, mode: 0o700 });
  const imageFile = join(options.runDir, "boot-sector.img");
  const passwordFile = join(options.runDir, "spice-password");
  await writeFile(imageFile, bootSector());
  if (options.password !== null) {
    await rm(passwordFile, { force: true });
    await writeFile(passwordFile, options.password, { mode: 0o600, flag: "wx" });
  }
  const args = qemuArguments(options, { port, tlsPort, imageFile, passwordFile });
  try {
    return await launch(args, { port, tlsPort });
  } finally {
    await rm(passwordFile, { force: true });
  }
}

async function launch(
  args: readonly string[],
  ports: { readonly port: number | null; readonly tlsPort: number | null },
): Promise<Result<QemuProcess, string>> {
  const line = boundToParent({ command: QEMU_COMMAND, args });
  const child = spawn(line.command, line.args, {
    stdio: ["ignore", "ignore", "pipe", "pipe"],
    // A group of its own: Ctrl-C in a terminal is for us, and we end QEMU.
    detached: true,
  });
  const errorOutput = keepErrorOutput(child);
  const spawned = await awaitSpawn(child);
  if (!spawned.ok) {
    return spawned;
  }
  const monitor = child.stdio[QMP_FD];
  assert(monitor instanceof Duplex, "QEMU was started without a monitor stream");
  const qmp = new QmpClient(monitor);
  const exited = awaitExit(child);
  const closed = new Promise<void>((resolve) => {
    child.once("close", () => resolve());
  });
  const stop = async (): Promise<void> => {
    await endProcess(child, STOP_GRACE_MS);
    qmp.close();
  };
  const greeted = await qmp.execute("qmp_capabilities", {}, START_TIMEOUT_MS);
  const ready = greeted.ok ? await qmp.execute("query-spice") : greeted;
  if (!ready.ok) {
    await stop();
    await closed;
    return fail(`QEMU did not start: ${errorOutput().trim() || ready.error}`);
  }
  const pid = child.pid ?? 0;
  return ok({ pid, host: HOST, ...ports, qmp, exited, errorOutput, stop });
}

function qemuArguments(
  options: QemuOptions,
  chosen: {
    readonly port: number | null;
    readonly tlsPort: number | null;
    readonly imageFile: string;
    readonly passwordFile: string;
  },
): string[] {
  const spice = [`addr=${HOST}`];
  if (chosen.port !== null) {
    spice.push(`port=${chosen.port}`);
  }
  if (chosen.tlsPort !== null && options.tls !== null) {
    spice.push(`tls-port=${chosen.tlsPort}`, `x509-dir=${escapeValue(options.tls.x509Dir)}`);
  }
  spice.push(options.password === null ? "disable-ticketing=on" : "password-secret=ticket");
  spice.push(...(options.spiceOptions ?? []));
  const disk = `file=${escapeValue(chosen.imageFile)},format=raw,if=floppy,readonly=on`;
  const machine =
    `-no-user-config -nodefaults -display none -machine pc -accel tcg -m ${MEMORY_MIB} ` +
    `-chardev socket,id=qmp,fd=${QMP_FD} -mon chardev=qmp,mode=control -device qxl-vga -boot a`;
  const args = [...machine.split(" "), "-drive", disk];
  if (options.password !== null) {
    args.push("-object", `secret,id=ticket,file=${escapeValue(chosen.passwordFile)}`);
  }
  return [...args, "-spice", spice.join(","), ...(options.extraArguments ?? [])];
}

/** QEMU's option syntax: a comma inside a value is doubled. */
function escapeValue(value: string): string {
  return value.replaceAll(",", ",,");
}

async function choosePort(wish: number | "random" | null): Promise<number | null> {
  return wish === "random" ? freePort() : wish;
}

/** A port that was free a moment ago. Somebody may take it meanwhile: hence the attempts. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, HOST, () => {
      const address = server.address();
      assert(typeof address === "object" && address !== null, "a TCP server has a port");
      server.close(() => resolve(address.port));
    });
  });
}

function awaitSpawn(child: ChildProcess): Promise<Result<null, string>> {
  return new Promise((resolve) => {
    child.once("spawn", () => resolve(ok(null)));
    child.once("error", (error) => resolve(fail(`QEMU did not start: ${error.message}`)));
  });
}

function keepErrorOutput(child: ChildProcess): () => string {
  let kept = "";
  child.stderr?.setEncoding("utf8");
  child.stderr?.on("data", (text: string) => {
    kept = (kept + text).slice(-ERROR_OUTPUT_LENGTH_MAX);
  });
  return () => kept;
}

export const QEMU_COMMAND = "qemu-system-x86_64";
const HOST = "127.0.0.1";
/** The first file descriptor after the standard three. */
const QMP_FD = 3;
/** The least with which SeaBIOS and qxl-vga are comfortable. */
const MEMORY_MIB = 64;
/** QEMU answers after about 50 ms; a machine that swaps gets a long time. */
const START_TIMEOUT_MS = 20_000;
/** QEMU ends within 100 ms of SIGTERM. */
const STOP_GRACE_MS = 3_000;
/** A random port is taken between choice and use once in thousands of starts. */
const PORT_ATTEMPTS_MAX = 5;
const PORT_TAKEN = /initialize spice server|address already in use/i;
/** Characters of QEMU's error output that are kept for a failure's sentence. */
const ERROR_OUTPUT_LENGTH_MAX = 16 * 1024;
