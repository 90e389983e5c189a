/**
 * Relays that come and go, as their hubs see it: what a welcomed relay is told, and what becomes of
 * the sessions of one that vanished. What is presumed here, the relay's own words override later.
 */
import type { AuditEvent } from "#shared/audit/events.ts";
import type { Hello, Welcome } from "#shared/control/contract.ts";
import { storeWithAudit } from "../repositories/store-with-audit.ts";
import { findNewestStream } from "../repositories/relay-streams.ts";
import { storeRelayOffline, storeRelayOnline, storeRelayServing } from "../repositories/relays.ts";
import { endSessionsOfOfflineRelay } from "../repositories/session-lifecycle.ts";
import { auditRecord, relayCaller, SYSTEM_CALLER } from "./audit-record.ts";
import type { ServiceContext } from "./context.ts";
import { isOutdated } from "./certificate-authority.ts";
import { linkKeysOf } from "./link-keys.ts";
import { noteShownCertificate } from "./relay-certificates.ts";

/** The part of a welcome that is not the link's own. */
export type WelcomeFacts = Omit<Welcome, "type" | "version" | "epoch" | "nowMs">;

/** Shows the relay online and gives what it must know; null when there is no such relay. */
export async function welcomeRelay(
  context: ServiceContext,
  relayId: string,
  hello: Pick<
    Hello,
    "build" | "channelsMax" | "advertised" | "draining" | "certificate" | "enforces"
  >,
): Promise<WelcomeFacts | null> {
  const { database, settings } = context;
  const { build, channelsMax, advertised, draining, enforces } = hello;
  // Before it shows online: console files must name what it shows.
  const shown = { own: hello.certificate ?? null, host: advertised?.host };
  const noted = await noteShownCertificate(context, relayId, shown);
  const caller = relayCaller(relayId);
  const online = { type: "relay.online", data: { build } } as const;
  const relay = await storeRelayOnline(
    database,
    { id: relayId, build, channelsMax, advertised, draining, enforces, atMs: context.nowMs() },
    {
      online: auditRecord(context, caller, online, { relayId }),
      serving: auditRecord(context, caller, servingEvent(draining), { relayId }),
    },
  );
  if (relay === null) {
    return null;
  }
  const [newest, keys, outdated] = await Promise.all([
    findNewestStream(database, relayId),
    linkKeysOf(context, relay),
    isOutdated(settings, relay),
  ]);
  return {
    ...keys,
    grantIssuer: settings.publicUrl,
    stream: newest?.stream ?? null,
    storedSeq: newest?.storedSeq ?? 0,
    webOrigins: [...settings.webOrigins],
    renewCertificate: outdated || relay.certificateEndsAtMs === null,
    ...(noted.ok ? {} : { certificateRefusal: noted.error }),
  };
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
  await storeRelayOffline(
    context.database,
    { id: relayId, atMs: context.nowMs() },
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
  await storeWithAudit(context.database, [audit]);
}

function servingEvent(draining: boolean): AuditEvent {
  return { type: draining ? "relay.draining" : "relay.serving", data: {} };
}

/** The audit trail's bound of a text. */
const DETAIL_CHARACTERS_MAX = 1024;
