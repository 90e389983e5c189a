/**
 * The relay as a process: flags in, JSON log lines on standard output, exit code out (0 let go, 1
 * could not start or failed, 2 wrong flags). SIGTERM, SIGINT and the loss of a parent's IPC channel
 * let go cleanly; a parent with such a channel is told once the relay listens and was welcomed.
 */
import "reflect-metadata";
import { readRelayConfig, RELAY_HELP } from "./config.ts";
import { runRelay, type RunningRelay } from "./run-relay.ts";
import { createLog, type Log } from "./telemetry/log.ts";

/** Runs a relay until it is told to end; resolves with the exit code. */
export async function relayMain(args: readonly string[]): Promise<number> {
  const request = readRelayConfig(args, process.env);
  if (!request.ok) {
    return complain(`${request.error} See --help.`, EXIT_USAGE);
  }
  if (request.value.kind === "help") {
    process.stdout.write(RELAY_HELP);
    return EXIT_OK;
  }
  const ended = whenToldToEnd();
  const { config } = request.value;
  const log = createLog({ level: config.logLevel, stream: process.stdout });
  const relay = await runRelay(config, log);
  if (!relay.ok) {
    await tellParent({ type: "failed", message: relay.error });
    return complain(relay.error, EXIT_FAILED);
  }
  const fault = watchFaults(log);
  void announce(relay.value, log);
  const reason = await Promise.race([ended, fault]);
  log.info({ reason }, "relay.letting-go");
  await relay.value.stop();
  return reason === FAULT ? EXIT_FAILED : EXIT_OK;
}

/** Tells the log and, if there is one, the parent process. */
async function announce(relay: RunningRelay, log: Log): Promise<void> {
  await relay.welcomed;
  const { relayId, tlsPort, healthPort } = relay;
  log.info({ relayId, tlsPort, healthPort }, "relay.ready");
  await tellParent({ type: "ready", relayId, tlsPort, healthPort });
}

/** Listeners stay, so that a second signal during the letting go does not cut it short. */
function whenToldToEnd(): Promise<string> {
  return new Promise((resolve) => {
    process.on("SIGTERM", resolve);
    process.on("SIGINT", resolve);
    if (process.send !== undefined) {
      process.on("disconnect", () => resolve("disconnect"));
    }
  });
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

if (import.meta.main) {
  // A parent's IPC channel would keep the process alive, so it is ended, not left to end.
  process.exit(await relayMain(process.argv.slice(2)));
}
