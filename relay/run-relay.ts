/**
 * One relay from its configuration to its end: identity, spool, link and data plane put together.
 * It knows no process: signals, exit codes and standard output belong to main.ts.
 */
import { randomBytes as nodeRandomBytes } from "node:crypto";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { toBase64Url } from "#shared/base/bytes.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Hello } from "#shared/control/contract.ts";
import manifest from "../package.json" with { type: "json" };
import { type RelayConfig, sayPortClash } from "./config.ts";
import { type Identity, readIdentity } from "./control/identity-store.ts";
import { relayLinkUrl } from "./control/control-url.ts";
import { lockFolder } from "./control/folder-lock.ts";
import { KeyAdoption } from "./control/key-adoption.ts";
import { ControlLink } from "./control/link.ts";
import { openKeyDisk } from "./control/key-files.ts";
import { readOwnCertificate } from "./control/own-certificate.ts";
import { Spool } from "./control/spool.ts";
import { openSpoolDisk } from "./control/spool-disk.ts";
import { Upkeep } from "./control/upkeep.ts";
import { type DataPlane, startDataPlane } from "./data-plane.ts";
import { DATA_PLANE_LIMITS, limitsPerSource } from "./limits.ts";
import { openOperator } from "./operator/open-operator.ts";
import { askRelay } from "./operator/operator-client.ts";
import { sayWhyNotListening } from "./say-why-not-listening.ts";
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
  const port = config.listenPort ?? read.value.tlsPort;
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
  const unlock = lockFolder(config.stateDir);
  if (!unlock.ok) {
    return unlock;
  }
  const own = await readOwn(config);
  if (!own.ok) {
    unlock.value();
    return own;
  }
  const spool = new Spool({
    disk: openSpoolDisk(join(config.stateDir, SPOOL_FILE)),
    relayId: read.value.relayId,
    nowMs,
    randomBytes,
    log,
  });
  const keyRing = new KeyRing();
  const parts: LateParts = { plane: null, link: null };
  const identity = relocated(read.value, config);
  const upkeep = makeUpkeep({ identity, config, own: own.value, log, parts });
  const link = makeLink({
    identity,
    config,
    keyRing,
    spool,
    log,
    upkeep,
    plane: () => parts.plane,
  });
  parts.link = link;
  try {
    parts.plane = await openDataPlane(config, {
      tls: upkeep.tls,
      port,
      keyRing,
      spool,
      link,
      log,
    });
  } catch (error) {
    spool.close();
    unlock.value();
    return fail(sayWhyNotListening(error as NodeJS.ErrnoException, config, port));
  }
  const { plane } = parts;
  return ok(
    await letRun({
      config,
      identity,
      plane,
      link,
      upkeep,
      spool,
      log,
      unlock: unlock.value,
    }),
  );
}

/** What comes to be after those that need it. */
interface LateParts {
  /** Null until it serves; the link is started behind that. */
  plane: DataPlane | null;
  link: ControlLink | null;
}

/** A relay that serves: joins it to its operator and to the control plane. */
async function letRun(parts: {
  readonly config: RelayConfig;
  readonly identity: Identity;
  readonly plane: DataPlane;
  readonly link: ControlLink;
  readonly upkeep: Upkeep;
  readonly spool: Spool;
  readonly log: Log;
  readonly unlock: () => void;
}): Promise<RunningRelay> {
  const { config, identity, plane, link, upkeep, spool, log, unlock } = parts;
  const { relayId, name } = identity;
  let isLeaving = false;
  let drainEndsAtMs: number | null = null;
  const drain = async (deadlineMs: number): Promise<void> => {
    drainEndsAtMs = nowMs() + deadlineMs;
    const drained = plane.drain(deadlineMs);
    link.tellServing({ draining: true });
    await drained;
  };
  const closeOperator = await openOperator({
    stateDir: config.stateDir,
    relayId,
    name,
    version: manifest.version,
    plane,
    isLinked: () => link.isLinked,
    drainState: () =>
      drainEndsAtMs === null ? null : { endsAtMs: drainEndsAtMs, isEnding: isLeaving },
    keys: () => upkeep.status(),
    rotateKey: () => upkeep.rotateKey(),
    drain,
    resume: () => {
      // Why: whoever waits for the last session to end would take the resume for that, and stop.
      if (!isLeaving) {
        drainEndsAtMs = null;
        plane.resume();
        link.tellServing({ draining: plane.status !== "serving" });
      }
    },
    log,
  });
  link.start({ commands: plane.commands, snapshot: () => plane.snapshot() });
  upkeep.start();
  return {
    relayId,
    tlsPort: plane.address.port,
    plainPort: plane.plainAddress?.port ?? null,
    connectPort: plane.connectAddress?.port ?? null,
    healthPort: plane.healthPort,
    welcomed: link.whenLinked(),
    drain: async (deadlineMs) => {
      isLeaving = true;
      await drain(deadlineMs);
    },
    stop: async () => {
      upkeep.stop();
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
  readonly plane: () => DataPlane | null;
}): ControlLink {
  const { identity, config, keyRing, spool, log, upkeep, plane } = parts;
  const adoption = new KeyAdoption({ relayId: identity.relayId, keyRing, nowMs });
  const link: ControlLink = new ControlLink({
    linkUrl: identity.linkUrl,
    about: {
      build: BUILD,
      instanceId: toBase64Url(randomBytes(INSTANCE_ID_BYTES)),
      channelsMax: DATA_PLANE_LIMITS.channelsMax,
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
    adopt: async (welcome) => {
      const adopted = await adoption.adopt(welcome);
      if (adopted.ok) {
        plane()?.setWebOrigins([...new Set([...config.webOrigins, ...welcome.webOrigins])]);
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

/** The operator's certificate, when there is one; the failure is a sentence for him. */
async function readOwn(
  config: RelayConfig,
): Promise<Result<ConstructorParameters<typeof Upkeep>[0]["own"], string>> {
  const files = config.ownCertificate;
  if (files === null) {
    return ok(null);
  }
  const shown = await readOwnCertificate(files);
  return shown.ok ? ok({ files, shown: shown.value }) : shown;
}

function makeUpkeep(of: {
  readonly identity: Identity;
  readonly config: RelayConfig;
  readonly own: ConstructorParameters<typeof Upkeep>[0]["own"];
  readonly log: Log;
  readonly parts: LateParts;
}): Upkeep {
  const { identity, config, own, log, parts } = of;
  return new Upkeep({
    identity,
    own,
    keyLifeMs: config.rotateKeyDays === 0 ? null : config.rotateKeyDays * DAY_MS,
    disk: openKeyDisk(config.stateDir),
    ask: async (request) => (await parts.link?.request(request)) ?? fail(NOT_LINKED),
    isLinked: () => parts.link?.isLinked === true,
    show: (tls) => parts.plane?.replaceIdentity(tls),
    count: (what, outcome) => parts.plane?.metrics.upkeep.inc({ what, outcome }),
    log,
    nowMs,
    chance: Math.random,
    randomBytes,
  });
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
/** Clients get this long to take what is on its way to them. */
const STOP_DEADLINE_MS = 5_000;
/** A supervisor usually kills after 10 s or more: both waits together stay below that. */
const FLUSH_DEADLINE_MS = 2_000;
const DAY_MS = 24 * 3_600_000;
const NOT_LINKED = { code: "control.offline", detail: "not linked" } as const;
