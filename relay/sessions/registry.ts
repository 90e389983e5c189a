/**
 * Which sessions live here and who may come in: gathers facts, asks the rules, carries out what
 * they decide. Promises that a ticket opens one session (also when two clients race), that every
 * refusal leaves exactly one event, and that nothing is dialled before an admission. Holds no
 * socket and never logs a ticket.
 */
import type { TicketRefusalReason } from "#shared/audit/events.ts";
import { assert, unreachable } from "#shared/base/assert.ts";
import { newId, type RandomBytes } from "#shared/base/ids.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Command } from "#shared/control/contract.ts";
import { SNAPSHOT_SESSIONS_MAX } from "#shared/control/limits.ts";
import type { ErrorCode, Failure } from "#shared/errors/catalogue.ts";
import { permitsChannel } from "#shared/policy/policy.ts";
import type { Grant } from "#shared/ticket/grant.ts";
import { unseal } from "#shared/ticket/seal.ts";
import {
  authenticateTicket,
  hashTicket,
  isExpired,
  type ParsedTicket,
  parseTicket,
} from "#shared/ticket/ticket.ts";
import type { DataPlaneLimits } from "../limits.ts";
import { judgeLater, judgeMain, type MainVerdict } from "./admission-rules.ts";
import { GrantStore } from "./grant-store.ts";
import type { KeyRing, RelayKeys } from "./key-ring.ts";
import { LivingSession } from "./living-session.ts";
import type { SessionObserver } from "./observer.ts";
import type {
  Admissions,
  AdmittedChannel,
  CommandHandler,
  DialTarget,
  EventSink,
  GrantLookup,
  Presented,
} from "./ports.ts";
import { SharedLookup } from "./shared-lookup.ts";
import { verifyGrant } from "./verify-grant.ts";

export interface RegistryOptions {
  readonly keyRing: KeyRing;
  readonly lookup: GrantLookup;
  readonly events: EventSink;
  readonly observer: SessionObserver;
  readonly limits: DataPlaneLimits;
  readonly nowMs: () => number;
  readonly randomBytes: RandomBytes;
}

type Admission = Result<AdmittedChannel, Failure>;

interface Authentic {
  readonly ticket: ParsedTicket;
  readonly hash: string;
}

/** The sessions of this relay. */
export class Registry implements Admissions, CommandHandler {
  readonly #options: RegistryOptions;
  readonly #store: GrantStore;
  readonly #lookup: SharedLookup;
  readonly #sessions = new Map<string, LivingSession>();
  readonly #byTicket = new Map<string, LivingSession>();
  #channelCount = 0;
  #stopping = false;
  #idle: (() => void)[] = [];

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#store = new GrantStore(options.limits);
    this.#lookup = new SharedLookup(options.lookup, options.limits);
  }

  async admit(presented: Presented): Promise<Admission> {
    const judged = await this.#authenticate(presented.password);
    if (this.#stopping) {
      return fail({ code: "relay.stopping", detail: "" });
    }
    if (!judged.ok) {
      return this.#refuseTicket(presented, judged.error, null);
    }
    return presented.channel === "main"
      ? this.#admitMain(presented, judged.value)
      : this.#admitLater(presented, judged.value);
  }

  async apply(command: Command): Promise<Failure | null> {
    switch (command.kind) {
      case "grant":
        return this.#applyGrant(command.grant);
      case "withdraw":
        this.withdraw(command.sessionId);
        return null;
      case "terminate":
        this.terminate(command.sessionId, command.reason);
        return null;
      default:
        return unreachable(command);
    }
  }

  /** Voids a session's unused ticket; a living session goes on. */
  withdraw(sessionId: string): void {
    this.#store.withdraw(sessionId);
  }

  /** Ends a session's channels at once, and voids its ticket if it was not used. */
  terminate(sessionId: string, reason: string): void {
    this.#store.withdraw(sessionId);
    this.#sessions.get(sessionId)?.endAll("terminated", reason);
  }

  /** The sessions that live here now. */
  snapshot(): string[] {
    return [...this.#sessions.keys()];
  }

  counts(): { readonly sessions: number; readonly channels: number; readonly grants: number } {
    return {
      sessions: this.#sessions.size,
      channels: this.#channelCount,
      grants: this.#store.counts().held,
    };
  }

  /** Drops grants and used tickets whose time is over. */
  sweep(): void {
    this.#store.sweep(this.#options.nowMs());
  }

  /** Admits nobody any more, ends every session, and resolves when the last one is gone. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const session of this.#sessions.values()) {
      session.endAll("relay.stopping", "the relay is stopping");
    }
    if (this.#sessions.size > 0) {
      await new Promise<void>((resolve) => {
        this.#idle.push(resolve);
      });
    }
  }

  async #authenticate(password: string): Promise<Result<Authentic, TicketRefusalReason>> {
    const ticket = parseTicket(password);
    if (ticket === null) {
      return fail("malformed");
    }
    const keys = this.#options.keyRing.current();
    if (keys === null) {
      return fail("unverifiable");
    }
    const judged = await authenticateTicket(password, keys.ticketKeys);
    if (!judged.ok && judged.error !== "foreign") {
      return fail(judged.error);
    }
    const hash = await hashTicket(password);
    // A ticket of another relay's key counts when its very hash was granted to this relay.
    if (!judged.ok && this.#store.sessionOf(hash) === null && !this.#byTicket.has(hash)) {
      return fail("foreign");
    }
    return ok({ ticket, hash });
  }

  async #admitMain(presented: Presented, authentic: Authentic): Promise<Admission> {
    let verdict = this.#judgeMain(presented, authentic);
    if (verdict === "look-up") {
      const refusal = await this.#lookUp(authentic.hash);
      verdict = refusal ?? this.#judgeMain(presented, authentic);
    }
    const grant = this.#store.held(authentic.hash);
    if (verdict !== "use" || grant === null) {
      return this.#refuseMain(presented, authentic, verdict);
    }
    const password = await this.#unsealPassword(grant);
    // Time has passed: only what is decided from here on, without waiting, counts.
    verdict = this.#stopping ? "unverifiable" : this.#judgeMain(presented, authentic);
    if (verdict !== "use" || this.#store.held(authentic.hash) !== grant) {
      return this.#refuseMain(presented, authentic, verdict);
    }
    return this.#openSession(presented, authentic, { grant, password });
  }

  #openSession(
    presented: Presented,
    authentic: Authentic,
    opening: { readonly grant: Grant; readonly password: string | null },
  ): Admission {
    const { grant, password } = opening;
    const { limits, nowMs } = this.#options;
    if (!permitsChannel(grant.policy, "main")) {
      return this.#refuseChannel(presented, grant.sessionId, "channel.not-permitted");
    }
    if (this.#sessions.has(grant.sessionId)) {
      // A second ticket for a session that lives: its main channel is taken.
      return this.#refuseTicket(presented, "used", authentic.hash);
    }
    const expiresAtMs = authentic.ticket.expiresAtS * 1000;
    const hasRoom =
      this.#channelCount < limits.channelsMax && this.#sessions.size < SNAPSHOT_SESSIONS_MAX;
    if (!hasRoom || !this.#store.use(grant, expiresAtMs, nowMs())) {
      return this.#refuseChannel(presented, grant.sessionId, "relay.full");
    }
    const session = this.#startSession(grant, targetOf(grant, password ?? ""));
    const channel = this.#reserve(session, presented);
    if (password === null) {
      const detail = "the target's password cannot be unsealed with this relay's keys";
      const failure: Failure = { code: "target.unreadable", detail };
      channel.end({ by: "relay", ...failure, clientBytes: 0, serverBytes: 0 });
      return fail(failure);
    }
    return ok(channel);
  }

  #admitLater(presented: Presented, authentic: Authentic): Admission {
    const session = this.#byTicket.get(authentic.hash) ?? null;
    const verdict = judgeLater({
      connectionId: presented.connectionId,
      sessionLives: session !== null && !session.isEnding,
      learnedId: session?.learnedId ?? null,
    });
    if (verdict !== "join" || session === null) {
      return this.#refuseTicket(presented, "no-session", authentic.hash);
    }
    if (!permitsChannel(session.grant.policy, presented.channel)) {
      return this.#refuseChannel(presented, session.sessionId, "channel.not-permitted");
    }
    const { channelsMax, channelsPerSessionMax } = this.#options.limits;
    if (this.#channelCount >= channelsMax || session.channelCount >= channelsPerSessionMax) {
      return this.#refuseChannel(presented, session.sessionId, "relay.full");
    }
    return ok(this.#reserve(session, presented));
  }

  #judgeMain(presented: Presented, { ticket, hash }: Authentic): MainVerdict {
    const nowMs = this.#options.nowMs();
    const held = this.#store.held(hash);
    return judgeMain({
      connectionId: presented.connectionId,
      expired: isExpired(ticket, nowMs) || (held !== null && nowMs >= held.exp * 1000),
      used: this.#store.isUsed(hash),
      held: held !== null,
    });
  }

  /** Null when a grant for the ticket is now held, else why the ticket is refused. */
  async #lookUp(hash: string): Promise<TicketRefusalReason | null> {
    const answer = await this.#lookup.find(hash);
    const keys = this.#options.keyRing.current();
    assert(keys !== null, "an authentic ticket needs keys");
    if (!answer.ok) {
      return answer.error;
    }
    if (this.#store.held(hash) !== null || this.#store.isUsed(hash)) {
      return null;
    }
    const verified = await verifyGrant(answer.value, keys, this.#options.nowMs());
    if (!verified.ok || verified.value.ticketHash !== hash) {
      return "unverifiable";
    }
    if (this.#store.held(hash) === null) {
      this.#store.hold(verified.value, this.#options.nowMs());
    }
    return null;
  }

  async #applyGrant(jws: string): Promise<Failure | null> {
    const keys = this.#options.keyRing.current();
    if (keys === null) {
      return { code: "control.grant-invalid", detail: "no keys to verify it with yet" };
    }
    const verified = await verifyGrant(jws, keys, this.#options.nowMs());
    if (!verified.ok) {
      return verified.error;
    }
    this.#store.hold(verified.value, this.#options.nowMs());
    return null;
  }

  async #unsealPassword(grant: Grant): Promise<string | null> {
    const sealed = grant.target.sealedPassword;
    return sealed === null ? "" : unsealWithAny(this.#options.keyRing.current(), sealed);
  }

  #startSession(grant: Grant, target: DialTarget): LivingSession {
    const session = new LivingSession({
      grant,
      target,
      events: this.#options.events,
      observer: this.#options.observer,
      nowMs: this.#options.nowMs,
      mainGraceMs: this.#options.limits.mainGraceMs,
      onChannelGone: () => {
        this.#channelCount -= 1;
      },
      onEnded: () => {
        this.#forget(session);
      },
    });
    this.#sessions.set(grant.sessionId, session);
    this.#byTicket.set(grant.ticketHash, session);
    return session;
  }

  #reserve(session: LivingSession, presented: Presented): AdmittedChannel {
    this.#channelCount += 1;
    return session.reserve(presented, newId("channel", this.#options.randomBytes));
  }

  #forget(session: LivingSession): void {
    this.#sessions.delete(session.sessionId);
    this.#byTicket.delete(session.grant.ticketHash);
    if (this.#sessions.size === 0) {
      for (const resolve of this.#idle.splice(0)) {
        resolve();
      }
    }
  }

  #refuseMain(presented: Presented, authentic: Authentic, verdict: MainVerdict): Admission {
    if (this.#stopping) {
      return fail({ code: "relay.stopping", detail: "" });
    }
    // "use" and "look-up" end here when the grant vanished meanwhile, by withdrawal.
    const reason = verdict === "use" || verdict === "look-up" ? "unknown" : verdict;
    return this.#refuseTicket(presented, reason, authentic.hash);
  }

  #refuseTicket(
    presented: Presented,
    reason: TicketRefusalReason,
    ticketHash: string | null,
  ): Admission {
    const { channel, clientAddress } = presented;
    const sessionId = ticketHash === null ? null : this.#store.sessionOf(ticketHash);
    const event = { type: "ticket.refused", reason, channel, clientAddress, sessionId } as const;
    this.#options.events.record(event);
    this.#options.observer.ticketRefused(reason, channel, clientAddress);
    return fail({ code: `ticket.${reason}`, detail: "" });
  }

  #refuseChannel(presented: Presented, sessionId: string, code: ErrorCode): Admission {
    const { channel, channelId, clientAddress } = presented;
    const where = { sessionId, channel, channelId, clientAddress };
    this.#options.events.record({ type: "channel.refused", ...where, code, detail: "" });
    this.#options.observer.channelRefused(code, channel, clientAddress);
    return fail({ code, detail: "" });
  }
}

/** Tries each epoch's key, the newest first; null when none opens it. */
async function unsealWithAny(keys: RelayKeys | null, sealed: string): Promise<string | null> {
  for (const key of keys?.sealKeys ?? []) {
    const plain = await unseal(key, sealed);
    if (plain !== null) {
      return plain;
    }
  }
  return null;
}

function targetOf(grant: Grant, password: string): DialTarget {
  const { host, port, tlsPort, ca, hostSubject } = grant.target;
  return { host, port, tlsPort, ca, hostSubject, password };
}
