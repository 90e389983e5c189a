/**
 * A self-hosted control plane as a whole: prepares what a start needs, then keeps the database and
 * workerd running, in that order; the other way round it ends them.
 */
import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { toBase64Url } from "#shared/base/bytes.ts";
import { readyReport } from "../dev/child-report.ts";
import { readOutboundCertificates } from "../dev/outbound-certificates.ts";
import { assertPortFree, findFreePort } from "../dev/ports.ts";
import { writePrivateFile } from "../dev/private-file.ts";
import { StartError, type StateFolder } from "../dev/state-folder.ts";
import { tell } from "../dev/terminal.ts";
import { isDevelopment } from "../services/webhook-targets.ts";
import { operatorSettings } from "../settings.ts";
import { runningPart } from "./child-part.ts";
import { databasePart } from "./database-part.ts";
import { statusOf } from "./http-status.ts";
import { Keeper, type KeptPart, type RunningPart } from "./keeper.ts";
import { httpUrl, type SelfhostOptions } from "./options.ts";
import { configFile, scriptFile, seenFromConfig, storageFolder } from "./selfhost-state.ts";
import { WATCH_LIMITS, type WatchLimits } from "./watch-rules.ts";
import { renderWorkerdConfig } from "./workerd-config.ts";
import { workerdPart } from "./workerd-part.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export class Host {
  readonly #environment: Environment;
  readonly #options: SelfhostOptions;
  readonly #state: StateFolder;
  readonly #watch: WatchLimits;
  /** What runs, in the order of its start. */
  readonly #started: { stop(): Promise<void> }[] = [];
  readonly #gaveUp = Promise.withResolvers<string>();
  #isStopping = false;

  constructor(
    options: SelfhostOptions,
    state: StateFolder,
    environment: Environment,
    watch: WatchLimits = WATCH_LIMITS,
  ) {
    this.#environment = environment;
    this.#options = options;
    this.#state = state;
    this.#watch = watch;
  }

  /** Settles with a sentence when a part cannot be kept running. */
  get gaveUp(): Promise<string> {
    return this.#gaveUp.promise;
  }

  /** Resolves once it serves. @throws {StartError} with a sentence. */
  async start(): Promise<void> {
    const { host, port } = this.#options;
    await assertPortFree({ host, port, flag: "--port" });
    const outbound = readOutboundCertificates(this.#environment);
    tell("Preparing the database and the Worker …");
    const secrets = await this.#prepare();
    this.#assertNotStopping();
    tell("Starting the database and workerd …");
    const address = { port: await findFreePort(), authToken: toBase64Url(randomBytes(32)) };
    const database = databasePart({
      file: this.#state.databaseFile,
      watch: this.#watch,
      ...address,
    });
    await this.#keep(database);
    const environment = {
      ...operatorSettings(this.#environment),
      ...secrets,
      LIBSQL_URL: httpUrl("127.0.0.1", address.port),
      LIBSQL_AUTH_TOKEN: address.authToken,
      PUBLIC_URL: this.#options.publicUrl,
    };
    this.#writeConfig(Object.keys(environment), outbound?.certificates ?? []);
    const workerd = workerdPart({
      configFile: configFile(this.#state),
      environment,
      asking: { url: `${ownUrl(this.#options)}/healthz`, limits: this.#watch },
    });
    const begin = (): RunningPart => {
      database.forgetClients();
      return workerd.begin();
    };
    await this.#keep({ ...workerd, begin });
    await assertReady(this.#options);
  }

  /** Ends all, the last started first. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const part of this.#started.toReversed()) {
      await part.stop();
    }
  }

  /** The secrets, once all is in its place. */
  async #prepare(): Promise<Readonly<Record<string, string>>> {
    this.#assertNotStopping();
    const child = fork(
      fileURLToPath(new URL("prepare.ts", import.meta.url)),
      ["--state-dir", this.#state.path, "--public-url", this.#options.publicUrl],
      { stdio: ["ignore", 2, 2, "ipc"], detached: true, env: { ...this.#environment } },
    );
    const report = readyReport(child);
    const running = preparation(child, report);
    this.#started.push(running);
    await running.ready;
    const { secrets } = await report;
    await running.stop();
    return secrets as Readonly<Record<string, string>>;
  }

  async #keep(part: KeptPart): Promise<void> {
    this.#assertNotStopping();
    const keeper = new Keeper(part, {
      nowMs: () => performance.now(),
      wait: async (delayMs, signal) => await delay(delayMs, undefined, { signal }),
      tell,
    });
    this.#started.push(keeper);
    await keeper.start();
    void keeper.gaveUp.then((sentence) => this.#gaveUp.resolve(sentence));
  }

  /** What is begun after `stop` nobody would end. */
  #assertNotStopping(): void {
    if (this.#isStopping) {
      throw new StartError("stopped before everything had started");
    }
  }

  #writeConfig(settings: readonly string[], trustedCertificates: readonly string[]): void {
    const { host, port, publicUrl } = this.#options;
    const text = renderWorkerdConfig({
      host,
      port,
      scriptFile: seenFromConfig(this.#state, scriptFile(this.#state)),
      storageFolder: storageFolder(this.#state),
      settings,
      trustedCertificates,
      // On a developer's machine webhooks may go to the machine itself.
      withPublicEgress: !isDevelopment(publicUrl),
    });
    writePrivateFile(configFile(this.#state), text);
  }
}

function preparation(child: ChildProcess, report: Promise<unknown>): RunningPart {
  return runningPart(child, report, {
    name: "The preparation",
    readyDeadlineMs: PREPARE_DEADLINE_MS,
    stopGraceMs: STOP_GRACE_MS,
  });
}

/** What is amiss is told in the Worker's log; its settings were judged before. */
async function assertReady(options: SelfhostOptions): Promise<void> {
  const status = await statusOf(`${ownUrl(options)}/readyz`, READINESS_DEADLINE_MS);
  if (status !== 200) {
    throw new StartError(
      status === null
        ? `The control plane did not say within ${READINESS_DEADLINE_MS / 1000} s that it is ready.`
        : `The control plane is not ready (${status}): the lines above say why.`,
    );
  }
}

/** Where this machine itself reaches it. */
function ownUrl({ host, port }: SelfhostOptions): string {
  return httpUrl({ "0.0.0.0": "127.0.0.1", "::": "::1" }[host] ?? host, port);
}

/** Most of it is for the check of a large database and for the migrations of an upgrade. */
const PREPARE_DEADLINE_MS = 30 * 60 * 1000;
const STOP_GRACE_MS = 10_000;
const READINESS_DEADLINE_MS = 10_000;
