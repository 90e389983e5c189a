/**
 * One relay from its configuration to its end: identity, spool, link and data plane put together.
 * It knows no process: signals, exit codes and standard output belong to main.ts.
 */
import { randomBytes as nodeRandomBytes } from "node:crypto";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { toBase64Url } from "#shared/base/bytes.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Hello, Welcome } from "#shared/control/contract.ts";
import manifest from "../package.json" with { type: "json" };
import { type RelayConfig, sayPortClash } from "./config.ts";
import { type Identity, readIdentity } from "./control/identity-store.ts";
import { relayLinkUrl } from "./control/control-url.ts";
import { lockFolder } from "./control/folder-lock.ts";
import { KeyAdoption } from "./control/key-adoption.ts";
import { ControlLink } from "./control/link.ts";
import { Spool } from "./control/spool.ts";
import { openSpoolDisk } from "./control/spool-disk.ts";
import type { Upkeep } from "./control/upkeep.ts";
import { type DataPlane, startDataPlane } from "./data-plane.ts";
import { Drains } from "./drains.ts";
import { DATA_PLANE_LIMITS, limitsPerSource } from "./limits.ts";
import { openUpkeep, readOwn } from "./open-upkeep.ts";
import { openOperator } from "./operator/open-operator.ts";
import { askRelay } from "./operator/operator-client.ts";
import { sayWhyNotListening } from "./say-why-not-listening.ts";
import { RELAY_ENFORCES } from "./sessions/enforcement.ts";
import { KeyRing } from "./sessions/key-ring.ts";
import type { Log } from "./telemetry/log.ts";

export interface RunningRelay {
  readonly relayId: string;
  readonly tlsPort: number;
  readonly plainPort: number | null;
  readonly connectPort: number | null;
  readonly healthPort: number | null;
  /** Resolves once the control plane has welcomed this relay. */
  readonly welcomed: Promise<void>;
  /**
   * Takes no new session, for good, and tells the control plane so; living ones go on until the
   * deadline. Resolves when none is left.
   */
  drain(deadlineMs: number): Promise<void>;
  /** Ends sessions, delivers what is spooled if it can within its deadline, and lets go. */
  stop(): Promise<void>;
}

/** Starts to serve clients and to connect; a failure is a sentence for the operator. */
export async function runRelay(
  config: RelayConfig,
  log: Log,
): Promise<Result<RunningRelay, string>> {
  const read = await readIdentity(config.stateDir);
  if (!read.ok) {
    return read;
  }
  const own = await readOwn(config);
  if (!own.ok) {
    return own;
  }
  const port = config.listenPort ?? read.value.tlsPort;
  const unlock = await claim(config, port);
  if (!unlock.ok) {
    return unlock;
  }
  const spool = new Spool({
    disk: openSpoolDisk(join(config.stateDir, SPOOL_FILE)),
    relayId: read.value.relayId,
    nowMs,
    randomBytes,
    log,
  });
  const keyRing = new KeyRing();
  let serving: DataPlane | null = null;
  const plane = (): DataPlane | null => serving;
  const identity = relocated(read.value, config);
  const upkeep = openUpkeep({
    ...{ identity, config, own: own.value, plane, link: () => link },
    ...{ log, nowMs, randomBytes },
  });
  const drains: Drains = makeDrains(plane, (told) => link.tellServing(told));
  const link = makeLink({ identity, config, keyRing, spool, log, upkeep, plane, drains });
  try {
    serving = await openDataPlane(config, {
      ...{ port, keyRing, spool },
      tls: upkeep.tls,
      link,
      log,
    });
  } catch (error) {
    spool.close();
    unlock.value();
    return fail(sayWhyNotListening(error as NodeJS.ErrnoException, config, port));
  }
  const running = { config, identity, plane: serving, link, upkeep, drains, spool, log };
  return ok(await letRun({ ...running, unlock: unlock.value }));
}

/** Sees to it that the relay can have its ports and its folder; the value lets the folder go. */
async function claim(config: RelayConfig, port: number): Promise<Result<() => void, string>> {
  const clash = sayPortClash({
    "listen-port": port,
    "plain-port": config.plainPort,
    "connect-port": config.connectPort,
    "health-port": config.healthPort,
  });
  if (clash !== null) {
    return fail(clash);
  }
  // Why besides the lock: that one cannot see processes of another container with the same folder.
  const other = await askRelay(config.stateDir, { method: "GET", path: "/status" });
  if (other.ok) {
    const { pid } = other.value;
    return fail(`${config.stateDir} is in use by process ${pid}: stop it, or use another folder.`);
  }
  return lockFolder(config.stateDir);
}

/** A relay that serves: joins it to its operator and to the control plane. */
async function letRun(parts: {
  readonly config: RelayConfig;
  readonly identity: Identity;
  readonly plane: DataPlane;
  readonly link: ControlLink;
  readonly upkeep: Upkeep;
  readonly drains: Drains;
  readonly spool: Spool;
  readonly log: Log;
  readonly unlock: () => void;
}): Promise<RunningRelay> {
  const { config, identity, plane, link, upkeep, drains, spool, log, unlock } = parts;
  const { relayId, name } = identity;
  const closeOperator = await openOperator({
    stateDir: config.stateDir,
    relayId,
    name,
    version: manifest.version,
    plane,
    link,
    drains,
    keys: () => upkeep.status(),
    rotateKey: () => upkeep.rotateKey(),
    log,
  });
  const sampler = setInterval(() => link.tellLoad(plane.load()), LOAD_SAMPLE_INTERVAL_MS);
  sampler.unref();
  link.start({
    commands: {
      apply: async (command) => {
        if (command.kind !== "drain") {
          return plane.commands.apply(command);
        }
        drains.order(command.order);
        return null;
      },
    },
    snapshot: () => plane.snapshot(),
  });
  upkeep.start();
  return {
    relayId,
    tlsPort: plane.address.port,
    plainPort: plane.plainAddress?.port ?? null,
    connectPort: plane.connectAddress?.port ?? null,
    healthPort: plane.healthPort,
    welcomed: link.whenLinked(),
    drain: async (deadlineMs) => {
      await drains.begin(deadlineMs, { isEnding: true });
    },
    stop: async () => {
      upkeep.stop();
      clearInterval(sampler);
      link.tellServing({ draining: true });
      await plane.stop(STOP_DEADLINE_MS);
      const isDelivered = await link.flush(FLUSH_DEADLINE_MS);
      log.info({ isDelivered, pending: spool.pendingCount }, "relay.let-go");
      closeOperator();
      await link.close();
      spool.close();
      unlock();
    },
  };
}

function openDataPlane(
  config: RelayConfig,
  parts: {
    readonly tls: Identity["tls"];
    readonly port: number;
    readonly keyRing: KeyRing;
    readonly spool: Spool;
    readonly link: ControlLink;
    readonly log: Log;
  },
): Promise<DataPlane> {
  const { tls, port, keyRing, spool, link, log } = parts;
  const { connectionsPerSource } = config;
  return startDataPlane({
    tls,
    listen: { host: config.listenHost, port },
    plainPort: config.plainPort,
    connectPort: config.connectPort,
    healthPort: config.healthPort,
    workers: config.workers ?? availableParallelism(),
    workerEnvironment: config.workerEnvironment,
    webOrigins: config.webOrigins,
    events: spool,
    lookup: link,
    contact: link,
    keyRing,
    isLinked: () => link.isLinked,
    log,
    nowMs,
    steadyMs: () => Math.trunc(performance.now()),
    randomBytes,
    limits: connectionsPerSource === null ? {} : limitsPerSource(connectionsPerSource),
  });
}

/** The identity with what has moved since enrolment. */
function relocated(identity: Identity, config: RelayConfig): Identity {
  const controlUrl = config.controlUrl ?? identity.controlUrl;
  return {
    ...identity,
    controlUrl,
    linkUrl: config.controlUrl === null ? identity.linkUrl : relayLinkUrl(controlUrl),
    host: config.advertiseHost ?? identity.host,
    tlsPort: config.advertisePort ?? identity.tlsPort,
  };
}

function makeLink(parts: {
  readonly identity: Identity;
  readonly config: RelayConfig;
  readonly keyRing: KeyRing;
  readonly spool: Spool;
  readonly log: Log;
  readonly upkeep: Upkeep;
  /** Null until it serves; the link is started behind that. */
  readonly plane: () => DataPlane | null;
  readonly drains: Drains;
}): ControlLink {
  const { identity, config, keyRing, spool, log, upkeep, plane, drains } = parts;
  const adoption = new KeyAdoption({ relayId: identity.relayId, keyRing, nowMs });
  const link: ControlLink = new ControlLink({
    linkUrl: identity.linkUrl,
    about: {
      build: BUILD,
      instanceId: toBase64Url(randomBytes(INSTANCE_ID_BYTES)),
      channelsMax: DATA_PLANE_LIMITS.channelsMax,
      enforces: [...RELAY_ENFORCES],
      // Asked for at each hello: the port may be any free one.
      get advertised() {
        return advertisedOf(identity, config, plane()?.connectAddress?.port ?? null);
      },
      get certificate() {
        return upkeep.certificate;
      },
    },
    signToken: () => upkeep.signToken(),
    onRefused: (code) => upkeep.refused(code),
    adopt: async (welcome, isPresent) => {
      const adopted = await adoption.adopt(welcome);
      if (adopted.ok) {
        // True whichever connection said it.
        await learnDenials(welcome, plane());
      }
      if (adopted.ok && isPresent()) {
        plane()?.setWebOrigins([...new Set([...config.webOrigins, ...welcome.webOrigins])]);
        drains.welcome(welcome.drain ?? null, welcome.nowMs - nowMs());
        void upkeep.welcomed(welcome);
        void link.whenLinked().then(() => upkeep.tick());
      }
      return adopted;
    },
    adoptKeys: (keys) => adoption.adopt(keys),
    spool,
    log,
    nowMs,
    chance: Math.random,
  });
  return link;
}

function makeDrains(
  plane: () => DataPlane | null,
  tellServing: (serving: { readonly draining: boolean }) => void,
): Drains {
  return new Drains({
    drain: async (deadlineMs) => plane()?.drain(deadlineMs),
    resume: () => plane()?.resume(),
    // A relay that is stopping takes no sessions, whoever drains it no more.
    tellServing: ({ draining }) =>
      tellServing({ draining: draining || plane()?.status === "stopping" }),
    nowMs,
  });
}

/** Before the first grant, which a denial may be about. */
async function learnDenials({ denials }: Welcome, plane: DataPlane | null): Promise<void> {
  if (denials !== undefined) {
    await plane?.commands.apply({ kind: "deny", ...denials });
  }
}

/** Where clients reach it. */
function advertisedOf(
  { host, tlsPort }: Identity,
  config: RelayConfig,
  boundConnectPort: number | null,
): NonNullable<Hello["advertised"]> {
  const connectPort =
    boundConnectPort === null ? null : (config.advertiseConnectPort ?? boundConnectPort);
  return connectPort === null ? { host, tlsPort } : { host, tlsPort, connectPort };
}

function nowMs(): number {
  return Date.now();
}

function randomBytes(count: number): Uint8Array {
  return new Uint8Array(nodeRandomBytes(count));
}

/** What the relay says about itself in its hello. */
const BUILD = `kerbside-relay ${manifest.version}`;
const SPOOL_FILE = "spool.ndjson";
const INSTANCE_ID_BYTES = 16;
/** How often the load is measured; what is told of it, and when, the link decides. */
const LOAD_SAMPLE_INTERVAL_MS = 5_000;
/** Clients get this long to take what is on its way to them. */
const STOP_DEADLINE_MS = 5_000;
/** A supervisor usually kills after 10 s or more: both waits together stay below that. */
const FLUSH_DEADLINE_MS = 2_000;
