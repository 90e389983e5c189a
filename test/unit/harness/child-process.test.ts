/** Children of tests: their output can be waited for, every wait ends, and they end with the test. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { runToEnd, startChild, type RunningChild } from "../../harness/child-process.ts";
import { eventually, withDeadline } from "../../harness/deadline.ts";

describe("a child process", () => {
  it("is heard: output of the past and of the future", async () => {
    await using child = node(
      "console.log('one'); process.stdin.on('data', d => console.log('+' + d))",
    );
    await child.waitForOutput("stdout", /one/);
    await child.waitForOutput("stdout", /one/);
    child.write("two");
    expect((await child.waitForOutput("stdout", /\+(\w+)/))[1]).toBe("two");
  });

  it("fails a wait for output when it exits, and quotes what it wrote", async () => {
    await using child = node("console.error('no luck'); process.exit(3)");
    const waited = child.waitForOutput("stdout", /ready/);
    await expect(waited).rejects.toThrow(/exited before.*no luck/s);
    expect(await child.waitForExit()).toEqual({ code: 3, signal: null });
  });

  it("fails a wait for output at its deadline", async () => {
    await using child = node("setInterval(() => {}, 1000)");
    await expect(child.waitForOutput("stdout", /ready/, 10)).rejects.toThrow("within 10 ms");
    await expect(child.waitForExit(10)).rejects.toThrow("did not exit");
  });

  it("gives whole lines however they were cut", async () => {
    await using child = node("process.stdin.on('data', d => process.stdout.write(d))");
    const lines: string[] = [];
    child.onLine((line) => lines.push(line));
    child.write("a\nb");
    await child.waitForOutput("stdout", /b/);
    child.write("c\nd");
    await child.waitForOutput("stdout", /d/);
    expect(lines).toEqual(["a", "bc"]);
  });

  it("is killed when it does not listen to SIGTERM", async () => {
    const child = node(
      "process.on('SIGTERM', () => {}); console.log('on'); setInterval(() => {}, 1e3)",
    );
    await child.waitForOutput("stdout", /on/);
    expect(await child.stop()).toEqual({ code: null, signal: "SIGKILL" });
    expect(child.isExited).toBe(true);
    await child.stop();
  });

  it("that does not exist fails the wait with its name", async () => {
    const ran = runToEnd({ command: "/nonexistent/tool", args: [] });
    // With setpriv in between it is an exit code, without it a failed spawn.
    const outcome = await ran.then(
      (exit) => `${String(exit.code)} ${exit.stderr}`,
      (error: unknown) => String(error),
    );
    expect(outcome).toMatch(/nonexistent/);
  });

  it("dies with the process that started it, even if that one is killed", async () => {
    const grandchild = "console.log(process.pid); setInterval(() => {}, 1000)";
    const harness = new URL("../../harness/child-process.ts", import.meta.url).href;
    await using child = startChild({
      command: process.execPath,
      args: [
        "--input-type=module",
        "-e",
        `import { startChild } from ${JSON.stringify(harness)};
         const child = startChild({ command: process.execPath,
           args: ["-e", ${JSON.stringify(grandchild)}] });
         child.onLine((line) => console.log(line));`,
      ],
    });
    const pid = Number((await child.waitForOutput("stdout", /^(\d+)\n/))[1]);
    expect(isRunning(pid)).toBe(true);
    child.signal("SIGKILL");
    await eventually("the grandchild is gone", () => (isRunning(pid) ? null : true));
  });
});

describe("waits", () => {
  it("end at the deadline and say what did not happen", async () => {
    const never = new Promise<never>(() => {});
    await expect(withDeadline(never, 1, "the impossible")).rejects.toThrow("1 ms: the impossible");
    const retried = eventually("the impossible", () => null, { timeoutMs: 5, intervalMs: 1 });
    await expect(retried).rejects.toThrow("5 ms: the impossible");
  });

  it("give what they waited for, and its failure", async () => {
    expect(await withDeadline(Promise.resolve(7), 1000, "seven")).toBe(7);
    const failed = withDeadline(Promise.reject(new Error("broken")), 1000, "seven");
    await expect(failed).rejects.toThrow("broken");
    let count = 0;
    const third = await eventually("three", () => (++count === 3 ? count : null), {
      intervalMs: 1,
    });
    expect(third).toBe(3);
  });
});

function node(code: string): RunningChild {
  return startChild({ command: process.execPath, args: ["-e", code] });
}

/** Whether the process runs; one that waits for its parent to collect it does not. */
function isRunning(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !/^\d+ \(.*\) Z/.test(status);
  } catch {
    return false;
  }
}
