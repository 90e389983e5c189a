/**
 * The worker processes: starts them, gives each connection to the one with the fewest, replaces
 * those that end unasked. Promises that a lost worker takes its own connections only, that each
 * of its channels ends with `relay.worker-lost`, and that replacing a worker which keeps crashing
 * slows down instead of eating the machine.
 */
import type { Socket } from "node:net";
import { assert } from "#shared/base/assert.ts";
import type { Origin } from "../listen/arrival.ts";
import type { PortKind } from "../listen/client-ports.ts";
import { makeServerContext, type TlsIdentity } from "../listen/tls-settings.ts";
import { type MetricsJson, MetricsSum } from "../telemetry/aggregate.ts";
import type { Usage } from "../telemetry/load-meter.ts";
import { LOG_LINES } from "../telemetry/log.ts";
import { AdmissionDesk } from "./admission-desk.ts";
import type { Crew, CrewOptions, WorkerStatus } from "./crew.ts";
import { endOfChannels, type WorkerMessage } from "./messages.ts";
import { START_DEADLINE_MS, type WorkerEnd, WorkerProcess } from "./worker-process.ts";

export interface WorkerPoolOptions extends CrewOptions {
  /** Processes to keep; at least one. */
  readonly workerCount: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly logLevel: string;
  /** A worker ended unasked. */
  readonly onWorkerLost: (cause: WorkerEnd) => void;
  readonly onFault: (error: unknown) => void;
}

interface Place {
  readonly index: number;
  worker: WorkerProcess | null;
  desk: AdmissionDesk | null;
  startedAtMs: number;
  /** Ends in a row that came soon after the start. */
  crashes: number;
  /** What the present worker said last that it has used. */
  usage: Usage;
}

interface Waiting {
  readonly kind: PortKind;
  readonly socket: Socket;
  readonly about: Origin;
  readonly timer: NodeJS.Timeout;
}

/** A fixed number of places, each with a worker or waiting for its next one. */
export class WorkerPool implements Crew {
  readonly #options: WorkerPoolOptions;
  readonly #places: Place[];
  readonly #waiting = new Set<Waiting>();
  readonly #metrics = new MetricsSum();
  readonly #scrapes = new Map<number, (name: string) => void>();
  readonly #readyListeners = new Set<() => void>();
  /** By workers that are gone. */
  #usedBefore = NOTHING_USED;
  #tls: TlsIdentity;
  #webOrigins: readonly string[];
  #startCount = 0;
  #scrapeCount = 0;
  #isStopping = false;

  constructor(options: WorkerPoolOptions) {
    assert(options.workerCount > 0, "a pool has workers");
    this.#options = options;
    this.#tls = options.tls;
    this.#webOrigins = options.webOrigins;
    this.#places = Array.from({ length: options.workerCount }, (_, index) => ({
      index,
      worker: null,
      desk: null,
      startedAtMs: 0,
      crashes: 0,
      usage: NOTHING_USED,
    }));
  }

  /** Starts all; resolves when all are ready. Rejects, with none left, when that takes too long. */
  async start(): Promise<void> {
    makeServerContext(this.#tls);
    for (const place of this.#places) {
      this.#startWorker(place);
    }
    const ready = Promise.withResolvers<void>();
    const timer = setTimeout(
      () => ready.reject(new Error("the worker processes did not start")),
      START_DEADLINE_MS,
    );
    const look = (): void => {
      if (this.#places.every(({ worker }) => worker?.isReady === true)) {
        ready.resolve();
      }
    };
    this.#readyListeners.add(look);
    try {
      await ready.promise;
    } catch (error) {
      await this.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
      this.#readyListeners.delete(look);
    }
  }

  take(kind: PortKind, socket: Socket, about: Origin): void {
    const worker = this.#leastBusy();
    if (worker !== null) {
      worker.give(kind, socket, about);
    } else if (this.#waiting.size < WAITING_MAX && !this.#isStopping) {
      this.#wait(kind, socket, about);
    } else {
      this.#drop(socket, about);
    }
  }

  replaceIdentity(tls: TlsIdentity): void {
    makeServerContext(tls);
    this.#tls = tls;
    this.#each((worker) => worker.send({ type: "replace-identity", tls }));
  }

  setWebOrigins(origins: readonly string[]): void {
    this.#webOrigins = origins;
    this.#each((worker) => worker.send({ type: "web-origins", origins }));
  }

  stop(): void {
    this.#isStopping = true;
    for (const waiting of this.#waiting) {
      clearTimeout(waiting.timer);
      this.#drop(waiting.socket, waiting.about);
    }
    this.#waiting.clear();
    this.#each((worker) => worker.send({ type: "stop" }));
  }

  async destroy(): Promise<void> {
    this.stop();
    const ends: Promise<void>[] = [];
    this.#each((worker) => {
      worker.stop();
      ends.push(worker.gone);
    });
    await Promise.all(ends);
  }

  /** Waits for the workers' answers, but not long: the latest that is known takes their place. */
  async metricsText(own: () => Promise<MetricsJson>): Promise<string> {
    this.#scrapeCount += 1;
    const requestId = this.#scrapeCount;
    const asked = new Set<string>();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#scrapes.set(requestId, (name) => {
      asked.delete(name);
      if (asked.size === 0) {
        resolve();
      }
    });
    this.#each((worker) => {
      if (worker.isReady) {
        asked.add(worker.name);
        worker.send({ type: "collect-metrics", requestId });
      }
    });
    const timer = setTimeout(resolve, SCRAPE_DEADLINE_MS);
    if (asked.size > 0) {
      await promise;
    }
    clearTimeout(timer);
    this.#scrapes.delete(requestId);
    return this.#metrics.text(await own());
  }

  workers(): readonly WorkerStatus[] {
    return this.#places.map(({ index, worker }) => ({
      name: worker?.name ?? `worker-${index}`,
      pid: worker?.pid ?? null,
      isReady: worker?.isReady ?? false,
      connections: worker?.connectionCount ?? 0,
    }));
  }

  usage(): Usage {
    return sumOf([this.#usedBefore, ...this.#places.map(({ usage }) => usage)]);
  }

  #startWorker(place: Place): void {
    const { limits, environment, logLevel, admissions, onFault, nowMs } = this.#options;
    this.#startCount += 1;
    const name = `worker-${place.index}-${this.#startCount}`;
    const worker: WorkerProcess = new WorkerProcess({
      name,
      environment,
      configuration: { tls: this.#tls, limits, webOrigins: this.#webOrigins, logLevel },
      onMessage: (message) => this.#receive(place, worker, message),
      onGone: (cause, detail) => this.#gone(place, { worker, cause, detail }),
    });
    place.worker = worker;
    place.startedAtMs = nowMs();
    const send = worker.send.bind(worker);
    place.desk = new AdmissionDesk({ admissions, send, onFault });
  }

  #receive(place: Place, worker: WorkerProcess, message: WorkerMessage): void {
    switch (message.type) {
      case "ready":
        this.#options.log.info({ name: worker.name, pid: worker.pid }, LOG_LINES.workerStarted);
        this.#serveWaiting();
        this.#readyListeners.forEach((listener) => listener());
        break;
      case "heartbeat":
        place.usage = message.usage;
        break;
      case "linked":
        if (worker.refs.has(message.ref)) {
          this.#options.onLinked(message.ref);
        }
        break;
      case "closed":
        this.#options.onClosed(message.ref);
        break;
      case "metrics":
        this.#metrics.learn(worker.name, message.metrics as unknown as MetricsJson);
        this.#scrapes.get(message.requestId)?.(worker.name);
        break;
      case "log":
        this.#options.log[message.level]({ ...message.fields, worker: worker.name }, message.name);
        break;
      case "foresee":
      case "admit":
      case "learned":
      case "opened":
      case "touched":
      case "ended":
        place.desk?.receive(message);
        break;
    }
  }

  #gone(
    place: Place,
    end: { readonly worker: WorkerProcess; readonly cause: WorkerEnd; readonly detail: string },
  ): void {
    const { worker, cause, detail } = end;
    const { log, nowMs, onClosed, onWorkerLost } = this.#options;
    place.worker = null;
    this.#usedBefore = { ...sumOf([this.#usedBefore, place.usage]), loopDelayMs: 0 };
    place.usage = NOTHING_USED;
    void this.#metrics.retire(worker.name);
    for (const tellScrape of this.#scrapes.values()) {
      tellScrape(worker.name);
    }
    const lived = nowMs() - place.startedAtMs;
    place.desk?.lose(
      this.#isStopping
        ? endOfChannels("relay.stopping", "the relay is stopping")
        : endOfChannels("relay.worker-lost", `a worker process ended: ${cause}`),
    );
    place.desk = null;
    for (const ref of worker.refs) {
      onClosed(ref);
    }
    if (this.#isStopping) {
      return;
    }
    place.crashes = lived >= STABLE_AFTER_MS ? 0 : place.crashes + 1;
    const delayMs = respawnDelayMs(place.crashes);
    log.error({ name: worker.name, cause, detail, delayMs }, LOG_LINES.workerLost);
    onWorkerLost(cause);
    this.#restart(place, delayMs);
  }

  #restart(place: Place, afterMs: number): void {
    setTimeout(() => {
      if (this.#isStopping) {
        return;
      }
      try {
        this.#startWorker(place);
      } catch (error) {
        // A system that has no memory for a process throws. The other workers go on.
        this.#options.onFault(error);
        place.crashes += 1;
        this.#restart(place, respawnDelayMs(place.crashes));
      }
    }, afterMs);
  }

  #leastBusy(): WorkerProcess | null {
    let least: WorkerProcess | null = null;
    this.#each((worker) => {
      const isLess = least === null || worker.connectionCount < least.connectionCount;
      if (worker.isReady && isLess) {
        least = worker;
      }
    });
    return least;
  }

  #wait(kind: PortKind, socket: Socket, about: Origin): void {
    const waiting: Waiting = {
      kind,
      socket,
      about,
      timer: setTimeout(() => {
        this.#waiting.delete(waiting);
        this.#drop(socket, about);
      }, WAITING_DEADLINE_MS),
    };
    this.#waiting.add(waiting);
  }

  #serveWaiting(): void {
    for (const waiting of this.#waiting) {
      clearTimeout(waiting.timer);
      this.#waiting.delete(waiting);
      this.take(waiting.kind, waiting.socket, waiting.about);
    }
  }

  #drop(socket: Socket, about: Origin): void {
    socket.destroy();
    this.#options.onClosed(about.ref);
  }

  #each(run: (worker: WorkerProcess) => void): void {
    for (const { worker } of this.#places) {
      if (worker !== null) {
        run(worker);
      }
    }
  }
}

/** All of them together; the delay is that of the busiest. */
function sumOf(usages: readonly Usage[]): Usage {
  return {
    bytes: usages.reduce((sum, { bytes }) => sum + bytes, 0),
    cpuMicros: usages.reduce((sum, { cpuMicros }) => sum + cpuMicros, 0),
    loopDelayMs: Math.max(...usages.map(({ loopDelayMs }) => loopDelayMs)),
  };
}

/** How long the next worker waits after `crashes` quick ends in a row: none, then doubling. */
export function respawnDelayMs(crashes: number): number {
  return crashes <= 1 ? 0 : Math.min(RESPAWN_MS_MAX, RESPAWN_BASE_MS * 2 ** (crashes - 2));
}

const NOTHING_USED: Usage = { bytes: 0, cpuMicros: 0, loopDelayMs: 0 };
/** A worker that lived this long did not crash because of how it starts. */
const STABLE_AFTER_MS = 60_000;
const RESPAWN_BASE_MS = 250;
const RESPAWN_MS_MAX = 10_000;
/** A scraper's own deadline is ten seconds usually. */
const SCRAPE_DEADLINE_MS = 2_000;
/** While no worker is there at all, so many connections may wait for one. */
const WAITING_MAX = 256;
/** A client's own patience is longer; a new worker takes half a second. */
const WAITING_DEADLINE_MS = 5_000;
