/**
 * One relay from its configuration to its end: identity, spool, link and data plane put together.
 * It knows no process: signals, exit codes and standard output belong to main.ts.
 */
import { randomBytes as nodeRandomBytes } from "node:crypto";
import { join } from "node:path";
import { toBase64Url } from "#shared/base/bytes.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import manifest from "../package.json" with { type: "json" };
import type { RelayConfig } from "./config.ts";
import { type Identity, readIdentity } from "./control/identity-store.ts";
import { relayLinkUrl } from "./control/control-url.ts";
import { lockFolder } from "./control/folder-lock.ts";
import { ControlLink } from "./control/link.ts";
import { signRelayToken } from "./control/relay-token.ts";
import { Spool } from "./control/spool.ts";
import { openSpoolDisk } from "./control/spool-disk.ts";
import { type DataPlane, startDataPlane } from "./data-plane.ts";
import { DATA_PLANE_LIMITS } from "./limits.ts";
import { KeyRing, keysFromWelcome } from "./sessions/key-ring.ts";
import type { Log } from "./telemetry/log.ts";

export interface RunningRelay {
  readonly relayId: string;
  readonly tlsPort: number;
  readonly healthPort: number | null;
  /** Resolves once the control plane has welcomed this relay. */
  readonly welcomed: Promise<void>;
  /** Ends sessions, delivers what is spooled if it can within its deadline, and lets go. */
  stop(): Promise<void>;
}

/** Starts to serve clients and to connect; a failure is a sentence for the operator. */
export async function runRelay(
  config: RelayConfig,
  log: Log,
): Promise<Result<RunningRelay, string>> {
  const identity = await readIdentity(config.stateDir);
  if (!identity.ok) {
    return identity;
  }
  const unlock = lockFolder(config.stateDir);
  if (!unlock.ok) {
    return unlock;
  }
  warnOfExpiry(identity.value, log);
  const spool = new Spool({
    disk: openSpoolDisk(join(config.stateDir, SPOOL_FILE)),
    relayId: identity.value.relayId,
    nowMs,
    randomBytes,
    log,
  });
  const keyRing = new KeyRing();
  const link = makeLink({ identity: relocated(identity.value, config), keyRing, spool, log });
  const port = config.listenPort ?? identity.value.tlsPort;
  const listen = { host: config.listenHost, port };
  let plane: DataPlane;
  try {
    plane = await startDataPlane({
      tls: identity.value.tls,
      listen,
      healthPort: config.healthPort,
      events: spool,
      lookup: link,
      keyRing,
      isLinked: () => link.isLinked,
      log,
      nowMs,
      randomBytes,
    });
  } catch (error) {
    spool.close();
    unlock.value();
    return fail(sayWhyNotListening(error as NodeJS.ErrnoException, config, port));
  }
  link.start({ commands: plane.commands, snapshot: () => plane.snapshot() });
  return ok({
    relayId: identity.value.relayId,
    tlsPort: plane.address.port,
    healthPort: plane.healthPort,
    welcomed: link.whenLinked(),
    stop: async () => {
      await plane.stop(STOP_DEADLINE_MS);
      const isDelivered = await link.flush(FLUSH_DEADLINE_MS);
      log.info({ isDelivered, pending: spool.pendingCount }, "relay.let-go");
      await link.close();
      spool.close();
      unlock.value();
    },
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
  readonly keyRing: KeyRing;
  readonly spool: Spool;
  readonly log: Log;
}): ControlLink {
  const { identity, keyRing, spool, log } = parts;
  return new ControlLink({
    linkUrl: identity.linkUrl,
    about: {
      build: BUILD,
      instanceId: toBase64Url(randomBytes(INSTANCE_ID_BYTES)),
      channelsMax: DATA_PLANE_LIMITS.channelsMax,
      advertised: { host: identity.host, tlsPort: identity.tlsPort },
    },
    signToken: () => signRelayToken(identity, nowMs(), randomBytes),
    adopt: async (welcome) => {
      const keys = await keysFromWelcome(welcome, identity.relayId);
      if (!keys.ok) {
        return keys;
      }
      keyRing.replace(keys.value);
      return ok(null);
    },
    spool,
    log,
    nowMs,
    chance: Math.random,
  });
}

function sayWhyNotListening(
  error: NodeJS.ErrnoException,
  config: RelayConfig,
  port: number,
): string {
  // The error names the port that failed: the health port may be the one in use.
  const failed = "port" in error && typeof error.port === "number" ? error.port : port;
  const flag = failed === port ? "--listen-port" : "--health-port";
  const { code } = error;
  if (code === "EADDRINUSE") {
    return `Port ${failed} is in use: stop the other program, or choose another by ${flag}.`;
  }
  if (code === "EACCES") {
    return `Port ${failed} needs more rights: use a port above 1023, or grant them.`;
  }
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
    return `${config.listenHost} is no address of this machine: correct --listen-host.`;
  }
  return `The relay cannot serve on port ${failed}: ${error.message}`;
}

function warnOfExpiry(identity: Identity, log: Log): void {
  const leftMs = identity.certificateEndsAtMs - nowMs();
  if (leftMs < CERTIFICATE_WARNING_MS) {
    const endsAt = new Date(identity.certificateEndsAtMs).toISOString();
    log.warn({ endsAt }, leftMs < 0 ? "certificate.expired" : "certificate.expires-soon");
  }
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
const CERTIFICATE_WARNING_MS = 30 * 24 * 3_600_000;
