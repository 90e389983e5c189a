/**
 * The relay as a process: flags in, JSON log lines on standard output, exit code out (0 let go, 1
 * could not start or failed, 2 wrong flags). SIGTERM and SIGINT drain and then let go; the loss of a
 * parent's IPC channel, or being told a second time, lets go at once. A parent with such a channel is told
 * once the relay listens and was welcomed.
 */
import "reflect-metadata";
import { runOperatorCommand } from "./cli/operator-commands.ts";
import { sayVersion } from "./program.ts";
import { readRelayConfig, RELAY_HELP } from "./config.ts";
import { EndRequests } from "./end-requests.ts";
import { runRelay, type RunningRelay } from "./run-relay.ts";
import { createLog, type Log } from "./telemetry/log.ts";
import { WORKER_ARGUMENT } from "./workers/worker-entry.ts";
import { runWorker } from "./workers/run-worker.ts";
import { keepYoungGeneration } from "./workers/young-generation.ts";

/** Runs a relay until it is told to end, or one command; resolves with the exit code. */
export async function relayMain(args: readonly string[]): Promise<number> {
  const commanded = await runOperatorCommand(args, process.env);
  if (commanded !== null) {
    return commanded;
  }
  const request = readRelayConfig(args, process.env);
  if (!request.ok) {
    return complain(`${request.error} See --help.`, EXIT_USAGE);
  }
  if (request.value.kind === "help") {
    process.stdout.write(RELAY_HELP);
    return EXIT_OK;
  }
  if (request.value.kind === "version") {
    process.stdout.write(sayVersion());
    return EXIT_OK;
  }
  keepYoungGeneration();
  const told = watchEnds();
  outliveLogReader();
  const { config } = request.value;
  const log = createLog({ level: config.logLevel, stream: process.stdout });
  const relay = await runRelay(config, log);
  if (!relay.ok) {
    await tellParent({ type: "failed", message: relay.error });
    return complain(relay.error, EXIT_FAILED);
  }
  const fault = watchFaults(log);
  void announce(relay.value, log);
  const reason = await Promise.race([told.first, fault]);
  log.info({ reason }, "relay.letting-go");
  if (isSignal(reason) && config.drainSeconds > 0) {
    const drained = relay.value.drain(config.drainSeconds * 1000);
    await Promise.race([drained, told.second, fault]);
  }
  const isStopped = await stopInOrder(relay.value, log);
  return isStopped && reason !== FAULT ? EXIT_OK : EXIT_FAILED;
}

/** Never rejects: with faults being caught, the process would stay, and serve nobody. */
async function stopInOrder(relay: RunningRelay, log: Log): Promise<boolean> {
  try {
    await relay.stop();
    return true;
  } catch (error) {
    log.fatal({ err: error }, "relay.fault");
    return false;
  }
}

/** Tells the log and, if there is one, the parent process. */
async function announce(relay: RunningRelay, log: Log): Promise<void> {
  await relay.welcomed;
  const { relayId, tlsPort, plainPort, connectPort, healthPort } = relay;
  const ready = { relayId, tlsPort, plainPort, connectPort, healthPort };
  log.info(ready, "relay.ready");
  await tellParent({ type: "ready", ...ready });
}

/** Listeners stay, so that no further signal cuts the letting go short. */
function watchEnds(): EndRequests {
  const ends = new EndRequests(() => performance.now());
  const tell = (reason: string): void => ends.tell(reason);
  process.on("SIGTERM", tell);
  process.on("SIGINT", tell);
  if (process.send !== undefined) {
    process.on("disconnect", () => tell("disconnect"));
  }
  return ends;
}

/** Whoever reads the log may go: consoles are worth more than lines that nobody reads. */
function outliveLogReader(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", () => {
      // Telling of it would fail likewise.
    });
  }
}

function isSignal(reason: string): boolean {
  return reason === "SIGTERM" || reason === "SIGINT";
}

/** A failure that nobody caught is our bug: the state is unknown, so the process ends in order. */
function watchFaults(log: Log): Promise<string> {
  return new Promise((resolve) => {
    const report = (error: unknown): void => {
      log.fatal({ err: error }, "relay.fault");
      resolve(FAULT);
    };
    process.on("uncaughtException", report);
    process.on("unhandledRejection", report);
  });
}

/** Resolves when a parent with an IPC channel has been told, or at once without one. */
async function tellParent(report: object): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (process.send === undefined) {
    resolve();
  } else {
    // A parent that has just gone is noticed by `disconnect`.
    process.send(report, () => resolve());
  }
  await promise;
}

function complain(sentence: string, exitCode: number): number {
  process.stderr.write(`${sentence}\n`);
  return exitCode;
}

const FAULT = "fault";
const EXIT_OK = 0;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

if (import.meta.main && process.argv[2] === WORKER_ARGUMENT) {
  runWorker();
} else if (import.meta.main) {
  // A parent's IPC channel would keep the process alive, so it is ended, not left to end.
  process.exit(await relayMain(process.argv.slice(2)));
}
