/**
 * `npm start`: a whole Kerbside on one machine. Control plane and database, one relay that enrols
 * itself through a join token like any relay, and one demo console. Progress goes to standard error;
 * standard output is for the one line that scripts read.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { AdminApi } from "./admin-api.ts";
import { parseStartOptions, type StartOptions, USAGE } from "./options.ts";
import { assertPortFree } from "./ports.ts";
import { writePrivateFile } from "./private-file.ts";
import { FIRST_ADMIN, StartError, StateFolder } from "./state-folder.ts";
import { Supervisor } from "./supervisor.ts";
import { exitCodeOf, nextStopSignal, refuse, sentenceOf, tell } from "./terminal.ts";

async function main(args: readonly string[]): Promise<number> {
  const options = parseStartOptions(args);
  if (!options.ok) {
    return refuse(`${options.error}\n\n${USAGE}`, 2);
  }
  if (options.value.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const state = new StateFolder(options.value.stateDir);
  const supervisor = new Supervisor();
  const stopSignal = nextStopSignal();
  try {
    state.open({ reset: options.value.reset });
  } catch (error) {
    return refuse(sentenceOf(error), 1);
  }
  try {
    const running = bringUp(options.value, state, supervisor);
    const outcome = await Promise.race([running, stopSignal]);
    if (typeof outcome === "string") {
      running.catch(() => null);
      return 0;
    }
    report(options.value, state, outcome);
    return await Promise.race([stopSignal.then(() => 0), supervisor.firstEnded.then(lostChild)]);
  } catch (error) {
    return refuse(sentenceOf(error), exitCodeOf(error));
  } finally {
    tell("Stopping …");
    await supervisor.stop();
    state.close();
  }

  function lostChild(name: string): number {
    return refuse(`${name} ended by itself: its log is in ${join(state.path, "logs")}.`, 1);
  }
}

interface Ready {
  readonly url: string;
  readonly adminPassword: string;
  readonly passwordIsNew: boolean;
  readonly demoConsoleId: string;
  readonly demoKind: string;
  readonly relayId: string;
}

async function bringUp(
  options: StartOptions,
  state: StateFolder,
  supervisor: Supervisor,
): Promise<Ready> {
  await assertPortFree({ port: options.relayPort, flag: "--relay-port" });
  await assertPortFree({ port: options.port, flag: "--port" });
  if (options.connectPort !== null) {
    await assertPortFree({ port: options.connectPort, flag: "--connect-port" });
  }
  state.refuseOrphanedRelay();
  const { password, isNew } = state.adminPassword();
  tell("Starting the control plane and the demo console …");
  const demoStart = supervisor.start(demoSpec(state));
  demoStart.catch(() => null);
  const control = await supervisor.start(controlSpec(state, options));
  const url = String(control["url"]);
  const api = await AdminApi.login(url, FIRST_ADMIN, password);
  if (api === null) {
    throw state.wrongPassword();
  }
  const relayStart = startRelay({ options, state, supervisor, api, url });
  relayStart.catch(() => null);
  const demo = await demoStart;
  const demoConsoleId = await registerDemo(state, api, demo);
  const relayId = String((await relayStart)["relayId"]);
  const demoKind = String(demo["kind"]);
  return { url, adminPassword: password, passwordIsNew: isNew, demoConsoleId, demoKind, relayId };
}

async function startRelay(given: {
  readonly options: StartOptions;
  readonly state: StateFolder;
  readonly supervisor: Supervisor;
  readonly api: AdminApi;
  readonly url: string;
}): Promise<Readonly<Record<string, unknown>>> {
  const { options, state, supervisor, api, url } = given;
  if (!existsSync(join(state.relayFolder, "identity.json"))) {
    tell("Enrolling a relay with a join token …");
    const tokenFile = join(state.path, "join-token");
    writePrivateFile(tokenFile, await api.createJoinToken());
    await runKerbside([
      ...["relay", "enrol", "--url", url, "--join-token-file", tokenFile, "--name", "local"],
      ...["--host", "127.0.0.1", "--tls-port", String(options.relayPort)],
      ...["--state-dir", state.relayFolder],
    ]);
    rmSync(tokenFile);
  }
  tell("Starting the relay …");
  try {
    return await supervisor.start(relaySpec(state, options, url));
  } catch (error) {
    throw new StartError(
      `${sentenceOf(error)} Its log is in ${join(state.path, "logs", "relay.log")}; ` +
        "to begin anew: npm start -- --reset",
    );
  }
}

/** The demo console keeps its id over restarts; only where it listens changes. */
async function registerDemo(
  state: StateFolder,
  api: AdminApi,
  demo: Readonly<Record<string, unknown>>,
): Promise<string> {
  const console = {
    name: "demo",
    host: String(demo["host"]),
    port: Number(demo["port"]),
    password: String(demo["password"]),
  };
  const known = (await state.readState()).demoConsoleId;
  if (known !== null && (await api.updateConsole(known, console))) {
    return known;
  }
  const demoConsoleId = await api.createConsole(console);
  state.writeState({ version: 1, demoConsoleId });
  return demoConsoleId;
}

function report(options: StartOptions, state: StateFolder, ready: Ready): void {
  const { relayPort, connectPort } = options;
  const fromHere = relative(process.cwd(), state.adminPasswordFile);
  const passwordFile = fromHere.startsWith("..") ? state.adminPasswordFile : fromHere;
  const lines = [
    "",
    `Kerbside is ready at ${ready.url}`,
    "",
    ready.passwordIsNew
      ? `  admin's login     user "${FIRST_ADMIN}", password "${ready.adminPassword}" (kept in ${passwordFile})`
      : `  admin's login     user "${FIRST_ADMIN}", password in ${passwordFile}`,
    `  relay             127.0.0.1:${relayPort} (${ready.relayId})`,
    ...(connectPort === null ? [] : [`  HTTP CONNECT      127.0.0.1:${connectPort}`]),
    `  demo console      ${ready.demoKind === "qemu" ? "a virtual machine" : "a test card"} (${ready.demoConsoleId})`,
    "",
    "Open the demo console in a native client (remote-viewer), in another terminal:",
    "",
    `  npx kerbside open demo --url ${ready.url} --username ${FIRST_ADMIN} --password-file ${passwordFile}`,
    "",
    "Ctrl-C stops everything.",
    "",
  ];
  tell(lines.join("\n"));
  if (options.json) {
    const { url, adminPassword, demoConsoleId, relayId } = ready;
    const ids = { demoConsoleId, relayId };
    const line = { url, adminUser: FIRST_ADMIN, adminPassword, ...ids, relayPort, connectPort };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
}

/** Runs a command of Kerbside's own CLI to its end. @throws {StartError} with what it said. */
async function runKerbside(args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [join(PROJECT_ROOT, "relay/cli/kerbside.ts"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      said = (said + chunk.toString("utf8")).slice(-SAID_CHARACTERS_MAX);
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) {
    throw new StartError(`kerbside ${args.slice(0, 2).join(" ")} failed: ${said.trim()}`);
  }
}

function controlSpec(state: StateFolder, options: StartOptions) {
  return {
    name: "The control plane",
    file: join(PROJECT_ROOT, "worker/dev/control.ts"),
    args: ["--state-dir", state.path, "--port", String(options.port)],
    readyDeadlineMs: READY_DEADLINE_MS,
    logFile: openLog(state, "control"),
  };
}

function relaySpec(state: StateFolder, options: StartOptions, url: string) {
  const connectPort = options.connectPort === null ? [] : [String(options.connectPort)];
  return {
    name: "The relay",
    file: join(PROJECT_ROOT, "relay/main.ts"),
    args: [
      ...["--state-dir", state.relayFolder, "--listen-host", "127.0.0.1"],
      ...["--listen-port", String(options.relayPort)],
      // The ports may be others than at the last start, when the relay enrolled.
      ...["--advertise-port", String(options.relayPort), "--control-url", url],
      ...connectPort.flatMap((port) => ["--connect-port", port]),
      // One process starts sooner than several, and Ctrl-C waits for nobody's console.
      ...["--workers", "0", "--drain-seconds", "0"],
    ],
    readyDeadlineMs: READY_DEADLINE_MS,
    logFile: openLog(state, "relay"),
  };
}

function demoSpec(state: StateFolder) {
  return {
    name: "The demo console",
    file: join(PROJECT_ROOT, "worker/dev/demo/demo-console.ts"),
    args: ["--state-dir", state.demoFolder],
    readyDeadlineMs: READY_DEADLINE_MS,
    logFile: openLog(state, "demo"),
  };
}

function openLog(state: StateFolder, name: string): number {
  const file = join(state.path, "logs", `${name}.log`);
  mkdirSync(join(state.path, "logs"), { recursive: true });
  if (existsSync(file)) {
    renameSync(file, join(state.path, "logs", `${name}.previous.log`));
  }
  return openSync(file, "w", 0o600);
}

const PROJECT_ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** A start takes about two seconds; on a busy machine ten times that is still a start. */
const READY_DEADLINE_MS = 30_000;
const SAID_CHARACTERS_MAX = 4_000;

// Last, when every constant above has its value.
process.exitCode = await main(process.argv.slice(2));
