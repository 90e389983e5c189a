/**
 * The demo console as a program:
 *
 *     node worker/dev/demo/demo-console.ts --state-dir DIR [--kind qemu|test-card|auto]
 *
 * Once the console serves SPICE it says so once, in one line of JSON on standard output:
 * `{"kind","host","port","password"}`. A parent that started it with an IPC channel is told over that
 * instead, `{type: "ready", kind, host, port, password}` or `{type: "failed", message}`: it may keep
 * the output in a log, and no log may hold a password. The password is new at each start. Everything
 * else goes to standard error. It ends, and the console with it, on SIGTERM, SIGINT and SIGHUP, when
 * the IPC channel closes, or, without one, when a standard input that is a pipe ends. Exit code 0
 * when it was asked to end; 1 with one sentence when it cannot start or the console dies; 2 when the
 * command line is wrong.
 */
import { randomBytes } from "node:crypto";
import { fstatSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { toBase64Url } from "#shared/base/bytes.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { DemoConsole } from "./demo-console-kind.ts";
import { hasQemuWithSpice, startQemuConsole } from "./qemu-console.ts";
import { startTestCard } from "./test-card/test-card.ts";

interface Settings {
  readonly stateDir: string;
  readonly kind: Kind;
}

type Kind = (typeof KINDS)[number];

async function main(): Promise<void> {
  const settings = readSettings(process.argv.slice(2));
  if (!settings.ok) {
    leave(EXIT_USAGE, settings.error);
    return;
  }
  // Asked for before the start, so that an end that comes meanwhile is not missed.
  const asked = askedToEnd();
  const started = await startConsole(settings.value);
  if (!started.ok) {
    leave(EXIT_FAILED, started.error);
    return;
  }
  const demo = started.value;
  const isAskedAlready = (await Promise.race([asked, Promise.resolve(null)])) !== null;
  if (!isAskedAlready) {
    report(demo);
  }
  const reason = await Promise.race([asked, demo.exited.then(() => null)]);
  await demo.stop();
  if (reason === null) {
    leave(EXIT_FAILED, `the demo console (${demo.kind}) ended by itself`);
  } else {
    leave(0, `the demo console (${demo.kind}) was ended: ${reason}`);
  }
}

async function startConsole(settings: Settings): Promise<Result<DemoConsole, string>> {
  const password = toBase64Url(randomBytes(PASSWORD_RANDOM_BYTES));
  const runDir = join(settings.stateDir, "demo-console");
  if (settings.kind === "test-card") {
    return startTestCard(password);
  }
  const hasQemu = await hasQemuWithSpice();
  if (settings.kind === "auto" && !hasQemu) {
    console.error("no QEMU with SPICE here: the demo console is a test card");
    return startTestCard(password);
  }
  if (!hasQemu) {
    return fail("there is no qemu-system-x86_64 with SPICE; install the package qemu-system-x86");
  }
  const started = await startInFolder(runDir, password);
  if (!started.ok && settings.kind === "auto") {
    console.error(`${started.error}; the demo console is a test card`);
    return startTestCard(password);
  }
  return started;
}

async function startInFolder(
  runDir: string,
  password: string,
): Promise<Result<DemoConsole, string>> {
  try {
    return await startQemuConsole(runDir, password);
  } catch (error) {
    // The file system refused: that is the environment's fault, not a bug.
    return fail(`the demo console cannot use ${runDir}: ${(error as Error).message}`);
  }
}

function readSettings(args: readonly string[]): Result<Settings, string> {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { "state-dir": { type: "string" }, kind: { type: "string", default: "auto" } },
    });
    const stateDir = values["state-dir"];
    const kind = KINDS.find((name) => name === values.kind);
    if (stateDir === undefined || stateDir === "" || kind === undefined) {
      return fail(USAGE);
    }
    return ok({ stateDir, kind });
  } catch (error) {
    return fail(`${(error as Error).message} ${USAGE}`);
  }
}

/** Resolves with the reason when somebody wants this process to end. */
function askedToEnd(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
      process.on(signal, () => resolve(signal));
    }
    if (process.send !== undefined) {
      process.on("disconnect", () => resolve("its parent has gone"));
    } else if (isPipe(STDIN_FD)) {
      process.stdin.on("end", () => resolve("its input has ended"));
      process.stdin.on("error", () => resolve("its input has ended"));
      process.stdin.resume();
    }
  });
}

/** A terminal or /dev/null says nothing about a parent; a pipe ends with it. */
function isPipe(fd: number): boolean {
  try {
    const status = fstatSync(fd);
    return status.isFIFO() || status.isSocket();
  } catch {
    return false;
  }
}

function report({ kind, host, port, password }: DemoConsole): void {
  const message = { kind, host, port, password };
  if (process.send === undefined) {
    console.log(JSON.stringify(message));
  } else {
    process.send({ type: "ready", ...message });
  }
}

function leave(code: number, sentence: string): void {
  console.error(sentence);
  if (code === 0 || !process.connected) {
    process.exit(code);
  }
  process.send?.({ type: "failed", message: sentence }, () => process.exit(code));
}

const KINDS = ["auto", "qemu", "test-card"] as const;
const USAGE = "usage: demo-console.ts --state-dir DIR [--kind auto|qemu|test-card]";
/** 144 bits: 24 characters of base64url, well below SPICE's 60. */
const PASSWORD_RANDOM_BYTES = 18;
const STDIN_FD = 0;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

await main();
