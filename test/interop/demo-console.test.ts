/** The demo console as a program: what it prints, and that it leaves nothing behind. */
import { fork } from "node:child_process";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { IDLE_COLOUR } from "../../worker/dev/demo/boot-sector.ts";
import { startChild, type RunningChild } from "../harness/child-process.ts";
import { eventually, withDeadline } from "../harness/deadline.ts";
import { pixelAt } from "../harness/ppm.ts";
import { takeSpicyScreenshot } from "../harness/spicy.ts";
import { makeTempFolder } from "../harness/temp-folder.ts";

describe.each(["qemu", "test-card"])("demo console of kind %s", (kind) => {
  it("prints one line of JSON and nothing else, and a client can use it", async () => {
    await using folder = await makeTempFolder();
    await using child = startDemo(["--state-dir", folder.path, "--kind", kind]);
    const ready = await readyMessage(child);
    expect(Object.keys(ready).toSorted()).toEqual(["host", "kind", "password", "port"]);
    expect(ready).toMatchObject({ kind, host: "127.0.0.1" });
    const { port, password } = ready;
    const colour = await eventually("the console is idle", async () => {
      const shot = await takeSpicyScreenshot({ port, password });
      const seen = shot.ok ? pixelAt(shot.value.picture, 300, 200) : 0;
      return seen === IDLE_COLOUR ? seen : null;
    });
    expect(colour).toBe(IDLE_COLOUR);
    child.signal("SIGTERM");
    expect(await child.waitForExit()).toEqual({ code: 0, signal: null });
    expect(child.output("stdout").trim().split("\n")).toHaveLength(1);
    expect(child.output("stderr")).not.toContain(password);
    await expectClosed(port);
  });

  it.each(["SIGINT", "SIGHUP"] as const)("ends on %s", async (signal) => {
    await using folder = await makeTempFolder();
    await using child = startDemo(["--state-dir", folder.path, "--kind", kind]);
    const { port } = await readyMessage(child);
    child.signal(signal);
    expect(await child.waitForExit()).toEqual({ code: 0, signal: null });
    await expectClosed(port);
  });

  it("ends when its input, a pipe, ends", async () => {
    await using folder = await makeTempFolder();
    await using child = startDemo(["--state-dir", folder.path, "--kind", kind]);
    const { port } = await readyMessage(child);
    child.endInput();
    expect(await child.waitForExit()).toEqual({ code: 0, signal: null });
    await expectClosed(port);
  });

  it("tells a parent with an IPC channel and nobody else, and ends when that closes", async () => {
    await using folder = await makeTempFolder();
    await using child = forkDemo(["--state-dir", folder.path, "--kind", kind]);
    const message = await child.message;
    expect(message).toMatchObject({ type: "ready", kind, host: "127.0.0.1" });
    child.process.disconnect();
    expect(await child.exitCode()).toBe(0);
    expect(child.output()).not.toContain(message.password);
    await expectClosed(message.port);
  });

  it("takes the console with it even when it is killed", async () => {
    await using folder = await makeTempFolder();
    await using child = startDemo(["--state-dir", folder.path, "--kind", kind]);
    const { port } = await readyMessage(child);
    child.signal("SIGKILL");
    expect(await child.waitForExit()).toEqual({ code: null, signal: "SIGKILL" });
    await expectClosed(port);
  });
});

describe("demo console", () => {
  it("is a test card where there is no QEMU, and says so", async () => {
    await using folder = await makeTempFolder();
    await using child = startDemo(["--state-dir", folder.path], { PATH: folder.path });
    expect(await readyMessage(child)).toMatchObject({ kind: "test-card" });
    expect(child.output("stderr")).toContain("no QEMU with SPICE here");
  });

  it("fails with one sentence when QEMU is asked for and is not there", async () => {
    await using folder = await makeTempFolder();
    const env = { PATH: folder.path };
    await using child = startDemo(["--state-dir", folder.path, "--kind", "qemu"], env);
    expect(await child.waitForExit()).toEqual({ code: 1, signal: null });
    expect(child.output("stdout")).toBe("");
    expect(child.output("stderr").trim().split("\n")).toHaveLength(1);
    expect(child.output("stderr")).toContain("install the package qemu-system-x86");
  });

  it("tells a parent with an IPC channel why it cannot start", async () => {
    await using child = forkDemo(["--state-dir", "/dev/null", "--kind", "qemu"]);
    const sentence: unknown = expect.stringContaining("/dev/null");
    expect(await child.message).toEqual({ type: "failed", message: sentence });
    expect(await child.exitCode()).toBe(1);
  });

  it("fails with one sentence when its state folder cannot be used", async () => {
    await using child = startDemo(["--state-dir", "/dev/null", "--kind", "qemu"]);
    expect(await child.waitForExit()).toEqual({ code: 1, signal: null });
    expect(child.output("stderr").trim().split("\n")).toHaveLength(1);
    expect(child.output("stderr")).toContain("/dev/null");
  });

  it.each([[[]], [["--state-dir", "/tmp", "--kind", "vnc"]], [["--wrong"]]])(
    "refuses the command line %j",
    async (args) => {
      await using child = startDemo(args);
      expect(await child.waitForExit()).toEqual({ code: 2, signal: null });
      expect(child.output("stderr")).toContain("usage:");
    },
  );
});

interface ReadyMessage {
  readonly kind: string;
  readonly host: string;
  readonly port: number;
  readonly password: string;
}

function startDemo(args: readonly string[], env: Record<string, string> = {}): RunningChild {
  return startChild({ command: process.execPath, args: [PROGRAM, ...args], env });
}

/** The program as a supervisor starts it. */
function forkDemo(args: readonly string[]) {
  const child = fork(PROGRAM, args, { stdio: ["ignore", "pipe", "pipe", "ipc"] });
  let output = "";
  const ends = [child.stdout, child.stderr].map((stream) => {
    stream?.on("data", (data: Buffer) => {
      output += data.toString();
    });
    return new Promise<void>((resolve) => {
      stream?.once("end", () => resolve());
    });
  });
  const exit = new Promise<number | null>((resolve) => {
    child.once("exit", resolve);
  });
  const message = new Promise<ReadyMessage>((resolve) => {
    child.once("message", (value) => resolve(value as ReadyMessage));
  });
  return {
    process: child,
    message: withDeadline(message, START_TIMEOUT_MS, "the demo console reports"),
    output: () => output,
    exitCode: async () => {
      const [code] = await withDeadline(Promise.all([exit, ...ends]), START_TIMEOUT_MS, "its end");
      return code;
    },
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await exit;
    },
  };
}

async function readyMessage(child: RunningChild): Promise<ReadyMessage> {
  const line = await child.waitForOutput("stdout", /^.*\n/, START_TIMEOUT_MS);
  return JSON.parse(line[0]) as ReadyMessage;
}

/** Nothing serves the port any more, or soon: a killed process leaves its end to the kernel. */
async function expectClosed(port: number): Promise<void> {
  await eventually(`nothing listens on port ${port}`, async () => {
    return (await isListening(port)) ? null : true;
  });
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

const PROGRAM = fileURLToPath(new URL("../../worker/dev/demo/demo-console.ts", import.meta.url));
const START_TIMEOUT_MS = 20_000;
