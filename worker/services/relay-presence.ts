/**
 * Relays that come and go, as their hubs see it: what a welcomed relay is told, and what becomes of
 * the sessions of one that vanished. What is presumed here, the relay's own words override later.
 */
import type { AuditEvent } from "#shared/audit/events.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Hello, Welcome } from "#shared/control/contract.ts";
import type { Load, LoadLevel } from "#shared/control/load.ts";
import {
  storeRelayLoad,
  storeRelayOffline,
  storeRelayOnline,
  storeRelayRefusal,
  storeRelayServing,
} from "../repositories/relay-presence.ts";
import { findNewestStream } from "../repositories/relay-streams.ts";
import { endSessionsOfOfflineRelay } from "../repositories/session-lifecycle.ts";
import { auditRecord, relayCaller, SYSTEM_CALLER } from "./audit-record.ts";
import { isOutdated } from "./certificate-authority.ts";
import type { RelayBar, ServiceContext } from "./context.ts";
import { currentDenials } from "./denials.ts";
import { linkKeysOf } from "./link-keys.ts";
import { noteShownCertificate } from "./relay-certificates.ts";

/** The part of a welcome that is not the link's own. */
export type WelcomeFacts = Omit<Welcome, "type" | "version" | "versions" | "epoch" | "nowMs">;

/** What the hub saw of a relay as it said hello. */
export interface SeenRelay {
  /** The version of the contract that both will speak. */
  readonly version: number;
  readonly skewMs: number | null;
  readonly level: LoadLevel | null;
}

/**
 * Shows the relay online and gives what it must know; null when there is no such relay. Fails with
 * why it may not be linked, when it is disabled or deleted.
 */
export async function welcomeRelay(
  context: ServiceContext,
  relayId: string,
  hello: Pick<
    Hello,
    "build" | "channelsMax" | "advertised" | "draining" | "load" | "certificate" | "enforces"
  >,
  seen: SeenRelay = { version: 1, skewMs: null, level: null },
): Promise<Result<WelcomeFacts | null, RelayBar>> {
  const { database, settings } = context;
  const { build, channelsMax, advertised, draining, load, enforces } = hello;
  // Before it shows online: console files must name what it shows.
  const shown = { own: hello.certificate ?? null, host: advertised?.host };
  const noted = await noteShownCertificate(context, relayId, shown);
  const caller = relayCaller(relayId);
  const online = { type: "relay.online", data: { build } } as const;
  const greeted = await storeRelayOnline(
    database,
    {
      ...{ id: relayId, build, channelsMax, advertised, draining, enforces },
      atMs: context.nowMs(),
      controlVersion: seen.version,
      clockSkewMs: seen.skewMs,
      load: load === undefined || seen.level === null ? null : { load, level: seen.level },
    },
    {
      online: auditRecord(context, caller, online, { relayId }),
      serving: auditRecord(context, caller, servingEvent(draining), { relayId }),
    },
  );
  if (!greeted.ok) {
    return greeted.error === "unknown" ? ok(null) : fail(greeted.error);
  }
  const relay = greeted.value;
  const [newest, denials, keys, outdated] = await Promise.all([
    findNewestStream(database, relayId),
    currentDenials(context),
    linkKeysOf(context, relay),
    isOutdated(settings, relay),
  ]);
  return ok({
    ...keys,
    grantIssuer: settings.publicUrl,
    stream: newest?.stream ?? null,
    storedSeq: newest?.storedSeq ?? 0,
    webOrigins: [...settings.webOrigins],
    renewCertificate: outdated || relay.certificateEndsAtMs === null,
    ...(noted.ok ? {} : { certificateRefusal: noted.error }),
    drain: relay.drainOrdered ? { endsAtMs: relay.drainEndsAtMs } : null,
    denials,
  });
}

/** Shows how loaded the relay is. */
export async function markRelayLoad(
  context: ServiceContext,
  relayId: string,
  told: { readonly load: Load; readonly level: LoadLevel },
): Promise<void> {
  const { load, level } = told;
  await storeRelayLoad(context.database, { id: relayId, load, level, atMs: context.nowMs() });
}

/** Shows whether the relay takes new sessions; placement looks at nothing else. */
export async function markRelayServing(
  context: ServiceContext,
  relayId: string,
  draining: boolean,
): Promise<void> {
  await storeRelayServing(
    context.database,
    { id: relayId, draining },
    auditRecord(context, relayCaller(relayId), servingEvent(draining), { relayId }),
  );
}

/** Shows the relay offline; `code` says why, for the audit trail. */
export async function markRelayOffline(
  context: ServiceContext,
  relayId: string,
  code: string,
): Promise<void> {
  const atMs = context.nowMs();
  const error = QUIET_ENDS.has(code) ? null : { atMs, code, detail: "" };
  await storeRelayOffline(
    context.database,
    { id: relayId, atMs, error },
    auditRecord(context, SYSTEM_CALLER, { type: "relay.offline", data: { code } }, { relayId }),
  );
}

/** Presumes the sessions of a relay that stays away to be over. */
export async function endSessionsOfLostRelay(
  context: ServiceContext,
  relayId: string,
): Promise<void> {
  const patch = {
    state: "ended" as const,
    endedAtMs: context.nowMs(),
    endReason: "relay-lost",
    endDetail: "the relay lost its link to the control plane",
  };
  await endSessionsOfOfflineRelay(context.database, { relayId, patch }, (session) =>
    auditRecord(
      context,
      SYSTEM_CALLER,
      {
        type: "session.ended",
        data: { reason: "relay-lost", clientBytes: 0, serverBytes: 0 },
      },
      { relayId, sessionId: session.id, consoleId: session.consoleId },
    ),
  );
}

/** Records that the hub refused what the relay said. */
export async function auditRelayRefusal(
  context: ServiceContext,
  relayId: string,
  refusal: { readonly code: string; readonly detail: string },
): Promise<void> {
  const data = { code: refusal.code, detail: refusal.detail.slice(0, DETAIL_CHARACTERS_MAX) };
  const event = { type: "relay.refused", data } as const;
  const audit = auditRecord(context, relayCaller(relayId), event, { relayId });
  const error = { atMs: context.nowMs(), ...data };
  await storeRelayRefusal(context.database, { id: relayId, error }, audit);
}

function servingEvent(draining: boolean): AuditEvent {
  return { type: draining ? "relay.draining" : "relay.serving", data: {} };
}

/** How a link ends that nothing is wrong with. */
const QUIET_ENDS: ReadonlySet<string> = new Set([
  "closed",
  "control-plane-restarted",
  "relay.disabled",
  "relay.deleted",
]);
/** The audit trail's bound of a text. */
const DETAIL_CHARACTERS_MAX = 1024;
