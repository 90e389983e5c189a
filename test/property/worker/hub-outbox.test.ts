/**
 * The hub's outbox against a model of the relay and of a network that loses connections with
 * everything in them: whatever happens, pushes arrive in order, each is applied once, each caller
 * is answered once, and a grant that was given up is not sent any more.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { unreachable } from "#shared/base/assert.ts";
import type { HubMessage, RelayMessage } from "#shared/control/contract.ts";
import { OUTBOX_ROWS_MAX, PUSH_ACK_DEADLINE_MS } from "#shared/control/limits.ts";
import {
  type HubEffect,
  type HubInput,
  type HubState,
  initialHubState,
} from "../../../worker/hub/hub-state.ts";
import { stepHub } from "../../../worker/hub/reducer.ts";
import { HELLO, WELCOME } from "../../unit/worker/hub-driver.ts";

type Action =
  | { readonly do: "push"; readonly kind: "grant" | "terminate" | "withdraw" }
  | { readonly do: "connect" | "drop" | "greeted" | "to-relay" | "to-hub" | "restart-hub" }
  | { readonly do: "drain"; readonly draining: boolean }
  | { readonly do: "pass"; readonly ms: number };

/** Hub, wires and relay. What the relay applied and what callers were told is kept. */
class World {
  hub: HubState = initialHubState("epoch-0");
  nowMs = 1_000_000;
  readonly applied: number[] = [];
  readonly answers = new Map<string, (string | null)[]>();
  readonly seqOf = new Map<string, number>();
  /** Commands by number: those that must arrive, and whether a grant was given up. */
  readonly kindOf = new Map<number, "grant" | "terminate" | "withdraw">();
  readonly givenUp = new Set<number>();
  readonly forgotten = new Set<string>();
  #relay: { epoch: string | null; appliedSeq: number } = { epoch: null, appliedSeq: 0 };
  #linkId: string | null = null;
  #links = 0;
  #pushes = 0;
  #toRelay: HubMessage[] = [];
  #toHub: RelayMessage[] = [];
  #greeting: string | null = null;
  #draining = false;

  act(action: Action): void {
    switch (action.do) {
      case "push":
        this.#push(action.kind);
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
      case "drain":
        this.#draining = action.draining;
        if (this.#linkId !== null && this.#greeting === null && this.hub.link.phase === "linked") {
          this.#toHub.push({ type: "serving", draining: action.draining });
        }
        break;
      case "restart-hub":
        this.#restartHub();
        break;
      case "pass":
        this.nowMs += action.ms;
        this.#feed({ kind: "tick", heartbeatAtMs: this.nowMs });
        break;
    }
  }

  /** A quiet end: one more link, everything delivered, every deadline passed. */
  settle(): void {
    this.#connect();
    this.#drain();
    this.act({ do: "pass", ms: PUSH_ACK_DEADLINE_MS });
    this.#drain();
  }

  #drain(): void {
    for (let turn = 0; turn < 10_000; turn += 1) {
      if (this.#toHub.length > 0) {
        this.#receiveAtHub();
      } else if (this.#greeting !== null) {
        this.#greeted();
      } else if (this.#toRelay.length > 0) {
        this.#receiveAtRelay();
      } else {
        return;
      }
    }
    throw new Error("the world does not come to rest");
  }

  #push(kind: "grant" | "terminate" | "withdraw"): void {
    this.#pushes += 1;
    const waiterId = `w${this.#pushes}`;
    this.answers.set(waiterId, []);
    const sessionId = kind === "grant" ? null : `ses_${this.#pushes % 4}`;
    this.#feed({ kind: "push", waiterId, command: { kind, sessionId, sizeBytes: 10 } });
  }

  #connect(): void {
    this.#links += 1;
    this.#linkId = `link-${this.#links}`;
    this.#toRelay = [];
    this.#feed({ kind: "connected", linkId: this.#linkId });
    this.#toHub = [{ ...HELLO, ...this.#relay, draining: this.#draining }];
  }

  #drop(): void {
    const linkId = this.#linkId;
    this.#linkId = null;
    this.#toRelay = [];
    this.#toHub = [];
    if (linkId !== null) {
      this.#feed({ kind: "closed", linkId, code: "lost" });
    }
  }

  #greeted(): void {
    const linkId = this.#greeting;
    this.#greeting = null;
    if (linkId !== null) {
      this.#feed({ kind: "greeted", linkId, welcome: WELCOME });
    }
  }

  #receiveAtRelay(): void {
    const message = this.#toRelay.shift();
    if (message?.type === "welcome" && message.epoch !== this.#relay.epoch) {
      this.#relay = { epoch: message.epoch, appliedSeq: 0 };
    }
    if (message?.type === "push") {
      if (message.seq > this.#relay.appliedSeq) {
        this.#relay.appliedSeq = message.seq;
        this.applied.push(message.seq);
      }
      this.#toHub.push({ type: "ack", seq: message.seq, refusal: null });
    }
  }

  #receiveAtHub(): void {
    const message = this.#toHub.shift();
    if (message !== undefined && this.#linkId !== null) {
      this.#feed({ kind: "message", linkId: this.#linkId, message });
    }
  }

  /** The process dies: sockets and waiting callers are gone, the store stays. */
  #restartHub(): void {
    for (const { id } of this.hub.outbox.flatMap((entry) => entry.waiters)) {
      this.forgotten.add(id);
    }
    for (const entry of this.hub.outbox.filter(({ kind }) => kind === "grant")) {
      this.givenUp.add(entry.seq);
    }
    this.#linkId = null;
    this.#greeting = null;
    this.#toRelay = [];
    this.#toHub = [];
    this.hub = {
      ...initialHubState(this.hub.epoch),
      nextSeq: this.hub.nextSeq,
      presence: this.hub.presence,
      outbox: this.hub.outbox
        .filter(({ kind }) => kind !== "grant")
        .map((entry) => ({ ...entry, waiters: [] })),
    };
  }

  #feed(input: HubInput): void {
    const step = stepHub(this.hub, input, { nowMs: this.nowMs, spareEpoch: "epoch-x" });
    this.hub = step.state;
    expect(this.hub.outbox.length).toBeLessThanOrEqual(OUTBOX_ROWS_MAX);
    for (const effect of step.effects) {
      this.#perform(effect);
    }
  }

  #perform(effect: HubEffect): void {
    switch (effect.kind) {
      case "store-push": {
        const entry = this.hub.outbox.find(({ seq }) => seq === effect.seq);
        expect(entry).toBeDefined();
        this.kindOf.set(effect.seq, entry?.kind ?? "grant");
        this.seqOf.set(effect.waiterId, effect.seq);
        break;
      }
      case "settle": {
        this.answers.get(effect.waiterId)?.push(effect.failure?.code ?? null);
        const seq = this.seqOf.get(effect.waiterId);
        if (effect.failure !== null && seq !== undefined && this.kindOf.get(seq) === "grant") {
          this.givenUp.add(seq);
        }
        break;
      }
      case "send-push":
        expect(this.givenUp).not.toContain(effect.seq);
        if (effect.linkId === this.#linkId) {
          const command = { kind: "withdraw" as const, sessionId: "ses_1" };
          this.#toRelay.push({ type: "push", seq: effect.seq, command });
        }
        break;
      case "send":
        if (effect.linkId === this.#linkId) {
          this.#toRelay.push(effect.message);
        }
        break;
      case "greet":
        this.#greeting = effect.linkId;
        break;
      case "close":
        if (effect.linkId === this.#linkId) {
          this.#drop();
        }
        break;
      case "delete-push":
      case "renumber-outbox":
      case "store-events":
      case "store-serving":
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
}

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: pushOf() },
  {
    weight: 8,
    arbitrary: fc.constantFrom<Action>(
      { do: "to-relay" },
      { do: "to-hub" },
      { do: "greeted" },
      { do: "connect" },
    ),
  },
  { weight: 2, arbitrary: fc.constantFrom<Action>({ do: "drop" }, { do: "restart-hub" }) },
  { weight: 2, arbitrary: fc.boolean().map((draining): Action => ({ do: "drain", draining })) },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 1, max: 3_000 }).map((ms): Action => ({ do: "pass", ms })),
  },
);

function pushOf(): fc.Arbitrary<Action> {
  return fc
    .constantFrom("grant" as const, "terminate" as const, "withdraw" as const)
    .map((kind) => ({ do: "push", kind }));
}

describe("the hub's outbox under loss, repetition and restarts", () => {
  it("delivers in order and once, answers each caller once, and loses no order to end", () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 120 }), (actions) => {
        const world = new World();
        for (const one of actions) {
          world.act(one);
        }
        world.settle();
        expect(world.applied).toEqual([...new Set(world.applied)].sort((a, b) => a - b));
        for (const [waiterId, answers] of world.answers) {
          expect(answers).toHaveLength(world.forgotten.has(waiterId) ? 0 : 1);
          const seq = world.seqOf.get(waiterId);
          if (answers[0] === null && seq !== undefined) {
            expect(world.applied).toContain(seq);
          }
        }
        for (const [seq, kind] of world.kindOf) {
          if (kind !== "grant") {
            expect(world.applied).toContain(seq);
          }
        }
        expect(world.hub.outbox).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});
