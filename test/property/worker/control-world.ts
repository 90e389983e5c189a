/**
 * A hub, a relay and the wires between them, moved step by step: both ends' real reducers, over a
 * network that loses connections with everything in them, a database that is read when a relay
 * greets, and processes that die. It keeps what happened, and fails at once where a rule is broken
 * that holds at every moment.
 */
import { expect } from "vitest";
import { assert } from "#shared/base/assert.ts";
import { unreachable } from "#shared/base/assert.ts";
import {
  type Command,
  type HubMessage,
  isKnownCommand,
  type RelayMessage,
} from "#shared/control/contract.ts";
import type { Denial } from "#shared/control/denials.ts";
import { isVoidedBy } from "#shared/control/denials.ts";
import { OUTBOX_ROWS_MAX } from "#shared/control/limits.ts";
import { initialLinkState, stepLink } from "../../../relay/control/link-state.ts";
import type { LinkEffect, LinkInput, LinkState } from "../../../relay/control/link-types.ts";
import {
  GRANTS_IN_FLIGHT_MAX,
  type HubEffect,
  type HubInput,
  type HubState,
  initialHubState,
  type WelcomeFacts,
} from "../../../worker/hub/hub-state.ts";
import {
  isGrant,
  isToldByWelcome,
  type PushedCommand,
  voids,
} from "../../../worker/hub/outbox-entry.ts";
import { stepHub } from "../../../worker/hub/reducer.ts";
import { WELCOME } from "../../unit/worker/hub-driver.ts";

type Kind = Command["kind"];

export type Action =
  | { readonly do: "push"; readonly kind: Kind; readonly about: number }
  | { readonly do: "connect" | "drop" | "greeted" | "to-relay" | "to-hub" | "apply" }
  | { readonly do: "restart-hub" | "restart-relay" }
  | { readonly do: "serving"; readonly draining: boolean }
  | { readonly do: "pass"; readonly ms: number };

/** One push, and what became of it. */
export interface Pushed {
  readonly kind: Kind;
  readonly command: PushedCommand;
  readonly atMs: number;
  readonly answers: (string | null)[];
  /** Its caller died with the hub. */
  forgotten: boolean;
  /** What it grants was given up: it must not be sent any more. */
  givenUp: boolean;
  applied: number;
}

export class ControlWorld {
  hub: HubState = initialHubState("epoch-0");
  nowMs = 1_000_000;
  readonly pushes: Pushed[] = [];
  /** What the database says: the truth of what welcomes tell. */
  readonly denials: Denial[] = [];
  drains = false;
  /** What the relay's present process knows. */
  relay = newProcess();
  readonly #knowsOrders: boolean;
  readonly #versions: { readonly min: number; readonly max: number };
  #link: LinkState = initialLinkState();
  #linkId: string | null = null;
  #links = 0;
  #toRelay: HubMessage[] = [];
  #toHub: RelayMessage[] = [];
  #greeting: { readonly linkId: string; readonly facts: WelcomeFacts } | null = null;
  /** The entries' pushes, by the outbox's ids; the commands on the wire name them. */
  readonly #pushOf = new Map<number, Pushed>();
  readonly #applying: { epoch: string; seq: number; push: Pushed }[] = [];
  #sentSeq = 0;

  /** @param version the newest version of the contract that the relay speaks */
  constructor(version: number) {
    this.#versions = { min: 1, max: version };
    this.#knowsOrders = isKnownCommand("deny", version) && isKnownCommand("drain", version);
  }

  act(action: Action): void {
    switch (action.do) {
      case "push":
        this.#push(action.kind, action.about);
        break;
      case "connect":
        this.#connect();
        break;
      case "drop":
        this.#drop();
        break;
      case "greeted":
        this.#greeted();
        break;
      case "to-relay":
        this.#receiveAtRelay();
        break;
      case "to-hub":
        this.#receiveAtHub();
        break;
      case "apply":
        this.#finishApply();
        break;
      case "serving":
        this.#feedRelay({ kind: "serving", draining: action.draining });
        break;
      case "restart-hub":
        this.#restartHub();
        break;
      case "restart-relay":
        this.#restartRelay();
        break;
      case "pass":
        this.#pass(action.ms);
        break;
      default:
        unreachable(action);
    }
  }

  /** A quiet end: one more link, everything delivered and applied, every deadline passed. */
  settle(): void {
    this.#connect();
    this.#rest();
    this.#pass(5_000);
    this.#rest();
  }

  #rest(): void {
    for (let turn = 0; turn < 20_000; turn += 1) {
      if (this.#toHub.length > 0) {
        this.#receiveAtHub();
      } else if (this.#greeting !== null) {
        this.#greeted();
      } else if (this.#toRelay.length > 0) {
        this.#receiveAtRelay();
      } else if (this.#applying.length > 0) {
        this.#finishApply();
      } else {
        return;
      }
    }
    throw new Error("the world does not come to rest");
  }

  #push(kind: Kind, about: number): void {
    const command = this.#commandOf(kind, about);
    const push: Pushed = {
      kind,
      command,
      atMs: this.nowMs,
      answers: [],
      forgotten: false,
      givenUp: false,
      applied: 0,
    };
    this.pushes.push(push);
    // First the database, then the hub.
    this.denials.push(...command.denials);
    this.drains = command.drains ?? this.drains;
    const waiterId = String(this.pushes.length - 1);
    this.#feedHub({ kind: "push", waiterId, command });
  }

  #commandOf(kind: Kind, about: number): PushedCommand {
    const none = { kind, sessionId: null, grant: null, denials: [], drains: null, sizeBytes: 10 };
    const sessionId = `ses_${about}`;
    switch (kind) {
      case "grant":
        return {
          ...none,
          grant: {
            userId: `usr_${about % 2}`,
            consoleId: "con",
            sessionId,
            shareId: null,
            issuedAtMs: this.nowMs,
            expiresAtMs: this.nowMs + 1_000 + about * 500,
          },
        };
      case "withdraw":
      case "terminate":
        return { ...none, sessionId };
      case "deny": {
        const id = `usr_${about % 2}`;
        const untilMs = this.nowMs + 60_000;
        return { ...none, denials: [{ subject: "user", id, atMs: this.nowMs, untilMs }] };
      }
      case "drain":
        return { ...none, drains: about % 2 === 0 };
      default:
        return unreachable(kind);
    }
  }

  #connect(): void {
    this.#links += 1;
    if (this.#link.phase.name === "stopped") {
      this.#feedRelay({ kind: "start" });
    }
    if (this.#link.phase.name !== "connecting") {
      // Its side breaks first; the hub may not have noticed.
      this.#feedRelay({ kind: "closed", detail: "cut" });
      this.nowMs += 60_000;
      this.#feedRelay({ kind: "tick" });
    }
    this.#linkId = `link-${this.#links}`;
    this.#toRelay = [];
    this.#toHub = [];
    this.#sentSeq = 0;
    this.#feedHub({ kind: "connected", linkId: this.#linkId });
    this.#feedRelay({ kind: "opened" });
  }

  #drop(): void {
    const linkId = this.#linkId;
    this.#linkId = null;
    this.#toRelay = [];
    this.#toHub = [];
    if (linkId !== null) {
      this.#feedHub({ kind: "closed", linkId, code: "lost" });
      this.#feedRelay({ kind: "closed", detail: "lost" });
    }
  }

  #greeted(): void {
    const greeting = this.#greeting;
    this.#greeting = null;
    if (greeting !== null) {
      const { linkId, facts } = greeting;
      this.#feedHub({ kind: "greeted", linkId, welcome: facts });
    }
  }

  #receiveAtRelay(): void {
    const message = this.#toRelay.shift();
    if (message !== undefined) {
      this.#feedRelay({ kind: "message", message });
    }
  }

  #receiveAtHub(): void {
    const message = this.#toHub.shift();
    if (message !== undefined && this.#linkId !== null) {
      this.#feedHub({ kind: "message", linkId: this.#linkId, message });
    }
  }

  #finishApply(): void {
    const done = this.#applying.shift();
    if (done !== undefined) {
      const { epoch, seq, push } = done;
      this.#carryOut(push);
      push.applied += 1;
      this.#feedRelay({ kind: "applied", epoch, seq, refusal: null });
    }
  }

  /** What the relay's registry makes of a command. */
  #carryOut({ command }: Pushed): void {
    const { relay } = this;
    const { grant, sessionId, denials, drains } = command;
    relay.denials.push(...denials);
    relay.drains = drains ?? relay.drains;
    if (sessionId !== null) {
      relay.withdrawn.add(sessionId);
    }
    if (grant !== null) {
      relay.held.add(grant);
    }
    for (const held of relay.held) {
      const isVoid =
        relay.withdrawn.has(held.sessionId) ||
        relay.denials.some((denial) => isVoidedBy(held, denial));
      if (isVoid) {
        relay.held.delete(held);
      }
    }
  }

  #pass(ms: number): void {
    this.nowMs += ms;
    this.#feedHub({ kind: "tick", heartbeatAtMs: this.nowMs });
  }

  /** The process dies: sockets and waiting callers are gone, the store stays. */
  #restartHub(): void {
    for (const { id } of this.hub.outbox.flatMap(({ waiters }) => waiters)) {
      this.#at(id).forgotten = true;
    }
    for (const entry of this.hub.outbox.filter(isGrant)) {
      this.#entry(entry.id).givenUp = true;
    }
    this.#linkId = null;
    this.#greeting = null;
    this.#toRelay = [];
    this.#toHub = [];
    this.#feedRelay({ kind: "closed", detail: "the hub died" });
    this.hub = {
      ...initialHubState(this.hub.epoch),
      nextSeq: this.hub.nextSeq,
      nextId: this.hub.nextId,
      presence: this.hub.presence,
      // As OutboxStore.load does without a link.
      outbox: this.hub.outbox
        .filter((entry) => !isGrant(entry) && !isToldByWelcome(entry))
        .map((entry) => ({ ...entry, waiters: [] })),
    };
  }

  #restartRelay(): void {
    this.#drop();
    this.#applying.length = 0;
    this.#link = initialLinkState();
    this.relay = newProcess();
  }

  #feedHub(input: HubInput): void {
    const { epoch, nextSeq: before } = this.hub;
    const step = stepHub(this.hub, input, { nowMs: this.nowMs, spareEpoch: "epoch-x" });
    this.hub = step.state;
    const nextSeq = epoch === this.hub.epoch ? before : 0;
    expect(this.hub.outbox.length).toBeLessThanOrEqual(OUTBOX_ROWS_MAX);
    const underWay = this.hub.outbox.filter((entry) => isGrant(entry) && entry.seq !== null);
    expect(underWay.length).toBeLessThanOrEqual(GRANTS_IN_FLIGHT_MAX);
    this.#expectOrdersFirst(step.effects, nextSeq);
    for (const effect of step.effects) {
      this.#performAtHub(effect);
    }
  }

  /** Of what is sent for the first time in one step, no order comes behind a grant. */
  #expectOrdersFirst(effects: readonly HubEffect[], nextSeq: number): void {
    const kinds = effects.flatMap((effect) => {
      const entry =
        effect.kind === "send-push" && effect.seq >= nextSeq
          ? this.hub.outbox.find(({ id }) => id === effect.id)
          : undefined;
      return entry === undefined ? [] : [entry.kind];
    });
    const firstGrant = kinds.indexOf("grant");
    expect(
      firstGrant === -1 ? [] : kinds.slice(firstGrant).filter((kind) => kind !== "grant"),
    ).toEqual([]);
  }

  #performAtHub(effect: HubEffect): void {
    switch (effect.kind) {
      case "store-push":
        this.#pushOf.set(effect.id, this.#at(effect.waiterId));
        break;
      case "settle": {
        const push = this.#at(effect.waiterId);
        push.answers.push(effect.failure?.code ?? null);
        push.givenUp ||= effect.failure !== null;
        break;
      }
      case "send-push":
        this.#sendPush(effect);
        break;
      case "send":
        if (effect.linkId === this.#linkId) {
          this.#toRelay.push(effect.message);
        }
        break;
      case "greet": {
        const drain = this.drains ? { endsAtMs: null } : null;
        const denials = { revision: this.denials.length, denials: [...this.denials] };
        this.#greeting = { linkId: effect.linkId, facts: { ...WELCOME, drain, denials } };
        break;
      }
      case "close":
        if (effect.linkId === this.#linkId) {
          this.#drop();
        }
        break;
      case "delete-push":
      case "forget-numbers":
      case "store-events":
      case "store-serving":
      case "store-load":
      case "look-up":
      case "load-keys":
      case "serve-request":
      case "mark-offline":
      case "end-sessions":
      case "expire-sessions":
      case "audit-refusal":
        break;
      default:
        unreachable(effect);
    }
  }

  #sendPush(effect: Extract<HubEffect, { kind: "send-push" }>): void {
    const push = this.#entry(effect.id);
    if (isGrant(push)) {
      const { grant } = push.command;
      expect(push.givenUp).toBe(false);
      expect(this.nowMs).toBeLessThan(grant?.expiresAtMs ?? 0);
      const later = this.pushes.slice(this.pushes.indexOf(push) + 1);
      expect(later.filter((order) => this.#hasVoided(order, push))).toEqual([]);
    }
    if (effect.linkId !== this.#linkId) {
      return;
    }
    expect(effect.seq).toBeGreaterThan(this.#sentSeq);
    this.#sentSeq = effect.seq;
    expect(this.#knowsOrders || !isToldByWelcome(push)).toBe(true);
    // The number of the push says on the wire which one it is.
    const sessionId = String(this.pushes.indexOf(push));
    const command = { kind: "withdraw" as const, sessionId };
    this.#toRelay.push({ type: "push", seq: effect.seq, command });
  }

  /** Whether an order that this relay understands left the grant nothing to open. */
  #hasVoided(order: Pushed, granted: Pushed): boolean {
    return (this.#knowsOrders || !isToldByWelcome(order)) && voids(order.command, granted.command);
  }

  #feedRelay(input: LinkInput): void {
    const step = stepLink(this.#link, input, { nowMs: this.nowMs, chance: 0 });
    this.#link = step.state;
    for (const effect of step.effects) {
      this.#performAtRelay(effect);
    }
  }

  #performAtRelay(effect: LinkEffect): void {
    switch (effect.kind) {
      case "hello": {
        const about = { build: "", instanceId: "i", channelsMax: 1, enforces: [] };
        this.#toHub.push({
          type: "hello",
          ...effect.hello,
          ...about,
          versions: this.#versions,
        });
        break;
      }
      case "send":
        this.#toHub.push(effect.message);
        break;
      case "adopt": {
        const { drain = null, denials } = effect.welcome;
        const known = this.#knowsOrders;
        this.relay.drains = known && drain !== null;
        this.relay.denials.push(...(known ? (denials?.denials ?? []) : []));
        this.#feedRelay({ kind: "adopted", failure: null });
        break;
      }
      case "apply": {
        assert(effect.command.kind === "withdraw", "the wire carries the push's number");
        const push = this.#at(effect.command.sessionId);
        this.#applying.push({ epoch: effect.epoch, seq: effect.seq, push });
        break;
      }
      case "log":
        // Nothing that a hub says may be unlawful to a relay.
        expect(effect.level).not.toBe("error");
        break;
      case "connect":
      case "ping":
      case "close":
      case "reconcile":
      case "record-snapshot":
      case "acknowledged":
      case "deliver":
      case "adopt-keys":
      case "answered":
      case "settle":
        break;
      default:
        unreachable(effect);
    }
  }

  #at(waiterId: string): Pushed {
    const push = this.pushes[Number(waiterId)];
    assert(push !== undefined, "a push has its number");
    return push;
  }

  #entry(id: number): Pushed {
    const push = this.#pushOf.get(id);
    assert(push !== undefined, "an entry was stored");
    return push;
  }
}

function newProcess() {
  return {
    held: new Set<NonNullable<PushedCommand["grant"]>>(),
    withdrawn: new Set<string>(),
    denials: [] as Denial[],
    drains: false,
  };
}
