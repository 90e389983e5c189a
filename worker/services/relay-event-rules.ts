/**
 * What a relay's events mean, pure: facts from the database and events in order give changes to
 * sessions and audit records. A relay speaks of its own sessions alone; what it says of others, or
 * of none that exist, is recorded as refused and changes nothing.
 *
 * The control plane sometimes has to presume an end (the relay vanished, nobody opened in time).
 * The relay's own word corrects a presumption, never an end that was reported.
 *
 * A console has one viewer. Each relay sees to that among its own sessions; when sessions of two
 * relays have one console, the one that must give way is marked so here, once, and its relay is
 * told: again with every snapshot in which it still lives.
 */
import type { AuditEvent, AuditRecord } from "#shared/audit/events.ts";
import type { NumberedEvent, RelayEvent } from "#shared/control/contract.ts";
import type { SessionFacts, StreamChanges, StreamFacts } from "../repositories/relay-streams.ts";
import { isPresumed, type SessionPatch } from "../repositories/session-lifecycle.ts";
import { type ChannelLedger, closeChannel, openChannel } from "./channel-ledger.ts";
import type { Yielding } from "./second-viewers.ts";

export interface RelayReport {
  readonly relayId: string;
  readonly events: readonly NumberedEvent[];
  readonly facts: StreamFacts;
  readonly nowMs: number;
  readonly newAuditId: () => string;
}

/** What to store, and which sessions' relays to tell afterwards. */
export interface RelayDecision extends StreamChanges {
  readonly yielding: readonly Yielding[];
}

/** The changes that the events beyond the stored position make; the rest is skipped. */
export function decideRelayEvents(report: RelayReport): RelayDecision {
  const ledger: Ledger = {
    report,
    storedSeq: report.facts.storedSeq,
    sessions: new Map(report.facts.sessions.map((session) => [session.id, session])),
    patches: new Map(),
    consumed: new Map(),
    audits: [],
    yielding: [],
    channels: { opened: [], closed: [] },
  };
  for (const { seq, atMs, event } of report.events) {
    if (seq > ledger.storedSeq) {
      // What is reported has happened: a relay's clock that runs ahead must not date it later.
      apply(ledger, event, Math.min(atMs, report.nowMs));
      ledger.storedSeq = seq;
    }
  }
  return ledger;
}

/** Every session that the events name. */
export function sessionsNamedBy(events: readonly NumberedEvent[]): string[] {
  const ids = events.flatMap(({ event }) => {
    if (event.type === "relay.snapshot") {
      return event.sessionIds;
    }
    return event.sessionId === null ? [] : [event.sessionId];
  });
  return [...new Set(ids)];
}

/** Every session that the events show alive: it may have its console from now on. */
export function sessionsAliveBy(events: readonly NumberedEvent[]): string[] {
  return events.flatMap(({ event }) => {
    if (event.type === "relay.snapshot") {
      return event.sessionIds;
    }
    return event.type === "session.opened" ? [event.sessionId] : [];
  });
}

/** The changes so far. Sessions are as the events before have left them. */
interface Ledger {
  readonly report: RelayReport;
  storedSeq: number;
  readonly sessions: Map<string, SessionFacts>;
  readonly patches: Map<string, SessionPatch>;
  readonly consumed: Map<string, number>;
  readonly audits: AuditRecord[];
  readonly yielding: Yielding[];
  readonly channels: ChannelLedger;
}

function apply(ledger: Ledger, event: RelayEvent, atMs: number): void {
  if (event.type === "relay.snapshot") {
    applySnapshot(ledger, event.sessionIds, atMs);
    return;
  }
  if (event.type === "ticket.refused" && event.sessionId === null) {
    const { reason, channel, count, clientAddress } = event;
    const data = { reason, channel, count };
    audit(ledger, { type: "ticket.refused", data }, { atMs, clientAddress });
    return;
  }
  const session = ownSession(ledger, event, atMs);
  if (session !== null) {
    applyToSession(ledger, session, event, atMs);
  }
}

function applyToSession(
  ledger: Ledger,
  session: SessionFacts,
  event: Exclude<RelayEvent, { type: "relay.snapshot" }>,
  atMs: number,
): void {
  switch (event.type) {
    case "ticket.refused": {
      const { reason, channel, count, clientAddress } = event;
      const refused = { type: event.type, data: { reason, channel, count } } as const;
      audit(ledger, refused, { atMs, session, clientAddress });
      break;
    }
    case "channel.refused": {
      const { channel, channelId, code, detail, clientAddress } = event;
      const refused = { type: event.type, data: { channel, channelId, code, detail } } as const;
      if (session.state === "pending" && channel === "main") {
        change(ledger, session, { refusedCode: code });
      }
      audit(ledger, refused, { atMs, session, clientAddress });
      break;
    }
    case "channel.opened": {
      const { channel, channelId, clientAddress } = event;
      const opened = { type: event.type, data: { channel, channelId } } as const;
      openChannel(ledger.channels, { ...event, openedAtMs: atMs });
      audit(ledger, opened, { atMs, session, clientAddress });
      break;
    }
    case "channel.closed": {
      const { channel, channelId, reason, clientBytes, serverBytes } = event;
      const data = { channel, channelId, reason, clientBytes, serverBytes };
      closeChannel(ledger.channels, { ...event, closedAtMs: atMs, closeReason: reason });
      audit(ledger, { type: event.type, data }, { atMs, session });
      break;
    }
    case "channel.firewall": {
      const { channel, channelId, mode, findings } = event;
      const data = { channel, channelId, mode, findings };
      audit(ledger, { type: event.type, data }, { atMs, session });
      break;
    }
    case "session.opened":
      open(ledger, session, { atMs, clientAddress: event.clientAddress });
      break;
    case "session.ended":
      end(ledger, session, { atMs, event });
      break;
  }
}

function open(
  ledger: Ledger,
  session: SessionFacts,
  opening: { readonly atMs: number; readonly clientAddress: string },
): void {
  const { atMs, clientAddress } = opening;
  ledger.consumed.set(session.id, atMs);
  if (session.state === "pending" || isPresumed(session)) {
    const openedAtMs = session.openedAtMs ?? atMs;
    // What a refusal said before has passed.
    change(ledger, session, { ...REVIVED, openedAtMs, clientAddress, refusedCode: null });
  }
  audit(ledger, { type: "session.opened", data: {} }, { atMs, session, clientAddress });
  settleViewers(ledger, session.id, atMs);
}

/**
 * One of the sessions that have the console now gives way, if another relay's is among them. Under
 * take-over that is the one that opened first, even if its relay could say so only now: whoever
 * opened after it has the hypervisor already.
 */
function settleViewers(ledger: Ledger, openedId: string, atMs: number): void {
  const opened = ledger.sessions.get(openedId);
  if (opened?.state !== "active" || opened.yieldsTo !== null) {
    return;
  }
  const others = [...ledger.sessions.values()].filter(
    (other) =>
      other.consoleId === opened.consoleId &&
      other.state === "active" &&
      other.yieldsTo === null &&
      other.relayId !== opened.relayId,
  );
  const [first] = others;
  if (opened.secondViewer === "refuse" && first !== undefined) {
    giveWay(ledger, opened, { yieldsTo: first.id, cause: "terminated", atMs });
    return;
  }
  const newer = others.find((other) => (other.openedAtMs ?? 0) > (opened.openedAtMs ?? 0));
  if (newer !== undefined) {
    giveWay(ledger, opened, { yieldsTo: newer.id, cause: "taken-over", atMs });
    return;
  }
  for (const other of others) {
    giveWay(ledger, other, { yieldsTo: opened.id, cause: "taken-over", atMs });
  }
}

function giveWay(
  ledger: Ledger,
  session: SessionFacts,
  giving: Pick<Yielding, "yieldsTo" | "cause"> & { readonly atMs: number },
): void {
  const { yieldsTo, cause, atMs } = giving;
  const refusedCode = cause === "terminated" ? REFUSED_VIEWER : null;
  change(ledger, session, { yieldsTo, refusedCode });
  const event = { type: "session.superseded", data: { by: yieldsTo, cause } } as const;
  audit(ledger, event, { atMs, session });
  tellYielding(ledger, session, giving);
}

function tellYielding(
  ledger: Ledger,
  session: SessionFacts,
  giving: Pick<Yielding, "yieldsTo" | "cause">,
): void {
  const { yieldsTo, cause } = giving;
  if (session.relayId !== null) {
    ledger.yielding.push({ sessionId: session.id, relayId: session.relayId, yieldsTo, cause });
  }
}

function end(
  ledger: Ledger,
  session: SessionFacts,
  ending: {
    readonly atMs: number;
    readonly event: Extract<RelayEvent, { type: "session.ended" }>;
  },
): void {
  if (session.state === "ended" && !isPresumed(session)) {
    return;
  }
  const { reason, detail, clientBytes, serverBytes } = ending.event;
  const { atMs } = ending;
  change(ledger, session, {
    state: "ended",
    endedAtMs: atMs,
    endReason: reason,
    endDetail: detail,
    clientBytes,
    serverBytes,
  });
  const data = { reason, clientBytes, serverBytes };
  audit(ledger, { type: "session.ended", data }, { atMs, session });
}

/** The relay's living sessions: some we gave up too early, some died without a word. */
function applySnapshot(ledger: Ledger, sessionIds: readonly string[], atMs: number): void {
  const living = new Set(sessionIds);
  for (const session of ledger.sessions.values()) {
    if (session.relayId !== ledger.report.relayId) {
      continue;
    }
    if (living.has(session.id) && session.yieldsTo !== null) {
      const cause = session.refusedCode === REFUSED_VIEWER ? "terminated" : "taken-over";
      tellYielding(ledger, session, { yieldsTo: session.yieldsTo, cause });
    }
    if (living.has(session.id) && isPresumed(session)) {
      change(ledger, session, REVIVED);
      audit(ledger, { type: "session.resumed", data: {} }, { atMs, session });
      // Somebody else may have got the console while the relay was away.
      settleViewers(ledger, session.id, atMs);
    } else if (!living.has(session.id) && session.state === "active") {
      change(ledger, session, {
        state: "ended",
        endedAtMs: atMs,
        endReason: "relay-restarted",
        endDetail: "the relay no longer knows the session",
      });
      const data = { reason: "relay-restarted", clientBytes: 0, serverBytes: 0 } as const;
      audit(ledger, { type: "session.ended", data }, { atMs, session });
    }
  }
  const { relayId } = ledger.report;
  const foreign = sessionIds.filter((id) => ledger.sessions.get(id)?.relayId !== relayId);
  if (foreign.length > 0) {
    // One record for all: a snapshot comes with each welcome and may name thousands.
    refuse(ledger, `relay.snapshot about ${foreign.length} sessions`, atMs);
  }
}

function ownSession(
  ledger: Ledger,
  event: Exclude<RelayEvent, { type: "relay.snapshot" }>,
  atMs: number,
): SessionFacts | null {
  const session = event.sessionId === null ? undefined : ledger.sessions.get(event.sessionId);
  if (session === undefined || session.relayId !== ledger.report.relayId) {
    refuse(ledger, `${event.type} about ${event.sessionId}`, atMs);
    return null;
  }
  return session;
}

/** The record is about the relay, not the session, whose own trail it must not reach. */
function refuse(ledger: Ledger, words: string, atMs: number): void {
  const detail = `${words}: no session of this relay`;
  audit(ledger, { type: "relay.refused", data: { code: "relay.unauthorized", detail } }, { atMs });
}

function change(ledger: Ledger, session: SessionFacts, patch: SessionPatch): void {
  ledger.sessions.set(session.id, { ...session, ...patch });
  ledger.patches.set(session.id, { ...ledger.patches.get(session.id), ...patch });
}

function audit(
  ledger: Ledger,
  event: AuditEvent,
  about: {
    readonly atMs: number;
    readonly session?: SessionFacts;
    readonly clientAddress?: string;
  },
): void {
  const { relayId, newAuditId } = ledger.report;
  ledger.audits.push({
    id: newAuditId(),
    atMs: about.atMs,
    actorKind: "relay",
    actorId: relayId,
    address: about.clientAddress ?? about.session?.clientAddress ?? null,
    requestId: null,
    consoleId: about.session?.consoleId ?? null,
    sessionId: about.session?.id ?? null,
    relayId: about.session?.relayId ?? relayId,
    event,
  });
}

/** What a session is told that must give way to one that was there before it. */
const REFUSED_VIEWER = "console.in-use";
const REVIVED = { state: "active", endedAtMs: null, endReason: null, endDetail: null } as const;
