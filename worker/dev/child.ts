/**
 * The life of a helper process of `npm start`: it starts, tells its parent over IPC that it is
 * ready or in one sentence why it is not, and ends on a signal or when its parent is gone. So
 * nothing is left behind even when the parent is killed.
 */
import { diskTrouble } from "./disk-trouble.ts";
import { StartError } from "./state-folder.ts";

export interface RunningChild {
  /** Told to the parent with `type: "ready"`. */
  readonly ready: Readonly<Record<string, unknown>>;
  stop(): Promise<void>;
}

/** Runs `start`, then waits for the end. A failure is told once and ends with exit code 1. */
export async function runAsChild(start: () => Promise<RunningChild>): Promise<void> {
  let stopping = false;
  const running = start();
  const stop = (): void => {
    if (stopping) {
      return;
    }
    stopping = true;
    setTimeout(() => process.exit(1), STOP_DEADLINE_MS).unref();
    running
      .then((child) => child.stop())
      .then(
        () => process.exit(0),
        () => process.exit(1),
      );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  process.on("disconnect", stop);
  try {
    const child = await running;
    // A parent that has gone meanwhile is no failure: "disconnect" ends us in order.
    process.send?.({ type: "ready", ...child.ready }, () => {});
  } catch (error) {
    fail(error);
  }
}

function fail(reason: unknown): void {
  const error = diskTrouble(reason) ?? reason;
  const expected = error instanceof StartError;
  const message = error instanceof Error ? error.message : String(error);
  const report = {
    type: "failed",
    message,
    exitCode: expected ? error.exitCode : 1,
    stack: expected ? null : stackOf(error),
  };
  if (process.send === undefined) {
    process.stderr.write(`${report.stack ?? message}\n`);
    process.exit(1);
  }
  process.send(report, () => process.exit(1));
}

function stackOf(error: unknown): string | null {
  return error instanceof Error ? (error.stack ?? null) : null;
}

/** Shorter than the parent's patience, so that a child ends itself rather than being killed. */
const STOP_DEADLINE_MS = 8_000;
