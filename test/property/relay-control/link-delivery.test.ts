/**
 * Random interleavings of pushes, events, losses in either direction, restarts of the relay and
 * delays: every number is applied once and in order, no push is lost, every event is stored exactly
 * once and in order. The hub numbers anew, in another order, what the relay has not applied when it
 * comes back.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assert } from "#shared/base/assert.ts";
import type { HubMessage, NumberedEvent, RelayMessage } from "#shared/control/contract.ts";
import { initialLinkState, stepLink } from "../../../relay/control/link-state.ts";
import type { LinkEffect, LinkInput, LinkState } from "../../../relay/control/link-types.ts";
import { Spool } from "../../../relay/control/spool.ts";
import { countingBytes, memoryDisk, silentLog } from "../../unit/relay-control/memory-disk.ts";

type Move =
  | { readonly kind: "push" | "record" | "connect" | "to-hub" | "to-relay" | "apply" }
  | { readonly kind: "cut"; readonly lostToHub: number; readonly lostToRelay: number }
  | { readonly kind: "restart" };

/** A hub, a relay and the wire between them, moved step by step. */
class World {
  readonly #disk = memoryDisk();
  #spool = this.#openSpool();
  #state: LinkState = initialLinkState();
  #nowMs = 0;
  readonly #toHub: RelayMessage[] = [];
  readonly #toRelay: HubMessage[] = [];
  readonly #applying: { epoch: string; seq: number; sessionId: string }[] = [];
  /** By number. */
  #outbox = new Map<number, string>();
  #pushedCount = 0;
  #nextSeq = 1;
  #stream: string | null = null;
  #storedSeq = 0;
  #isGreeted = false;
  #appliedByProcess: number[] = [];
  recordedCount = 0;
  readonly applied: number[][] = [this.#appliedByProcess];
  readonly carriedOut = new Set<string>();
  readonly stored: string[] = [];
  /** Refusals that the hub would have answered with: none may happen. */
  readonly faults: string[] = [];

  move(move: Move): void {
    switch (move.kind) {
      case "push":
        this.#push();
        break;
      case "record":
        this.recordedCount += 1;
        this.#spool.record({
          type: "session.opened",
          sessionId: `ses_${this.recordedCount}`,
          clientAddress: "",
        });
        this.#feed({ kind: "spooled" });
        break;
      case "connect":
        this.#connect();
        break;
      case "to-hub":
        this.#hear(this.#toHub.shift());
        break;
      case "to-relay":
        this.#deliver(this.#toRelay.shift());
        break;
      case "apply":
        this.#finishApply();
        break;
      case "cut":
        this.#cut(move.lostToHub, move.lostToRelay);
        break;
      case "restart":
        this.#restart();
        break;
    }
  }

  /** Lets everything come to rest. */
  settle(): void {
    this.#connect();
    for (let quiet = 0; quiet < 3;) {
      const isBusy = this.#toHub.length + this.#toRelay.length + this.#applying.length > 0;
      quiet = isBusy ? 0 : quiet + 1;
      this.#hear(this.#toHub.shift());
      this.#deliver(this.#toRelay.shift());
      this.#finishApply();
    }
  }

  get isSettled(): boolean {
    return this.#state.phase.name === "linked" && this.#outbox.size === 0;
  }

  get pushedCount(): number {
    return this.#pushedCount;
  }

  #push(): void {
    this.#pushedCount += 1;
    const seq = this.#nextSeq;
    this.#nextSeq += 1;
    const sessionId = `ses_${this.#pushedCount}`;
    this.#outbox.set(seq, sessionId);
    if (this.#isGreeted) {
      this.#toRelay.push(pushOf(seq, sessionId));
    }
  }

  #connect(): void {
    if (this.#state.phase.name === "stopped") {
      this.#feed({ kind: "start" });
    }
    this.#nowMs += 60_000;
    if (this.#state.phase.name === "waiting") {
      this.#feed({ kind: "tick" });
    }
    this.#feed({ kind: "opened" });
  }

  #hear(message: RelayMessage | undefined): void {
    switch (message?.type) {
      case undefined:
      case "lookup":
      case "request":
      case "serving":
      case "load":
        break;
      case "hello":
        this.#welcome(message.epoch === null ? 0 : message.appliedSeq);
        break;
      case "ack":
        this.#outbox.delete(message.seq);
        break;
      case "events":
        this.#store(message.stream, message.events);
        break;
    }
  }

  /** What it has applied keeps its number; the rest is turned around, under new ones. */
  #welcome(appliedSeq: number): void {
    this.#isGreeted = true;
    const kept = [...this.#outbox].filter(([seq]) => seq <= appliedSeq);
    const rest = [...this.#outbox].filter(([seq]) => seq > appliedSeq).reverse();
    const anew = rest.map(([, sessionId], index) => [this.#nextSeq + index, sessionId] as const);
    this.#nextSeq += rest.length;
    this.#outbox = new Map([...kept, ...anew]);
    this.#toRelay.push({
      type: "welcome",
      version: 1,
      epoch: "epoch",
      ticketKeys: [{ keyId: "", key: "", sealKey: "" }],
      grantKeys: [{ kty: "OKP", crv: "Ed25519", x: "", kid: "" }],
      grantIssuer: "",
      webOrigins: [],
      stream: this.#stream,
      storedSeq: this.#storedSeq,
      nowMs: 0,
    });
    for (const [seq, sessionId] of this.#outbox) {
      this.#toRelay.push(pushOf(seq, sessionId));
    }
  }

  #store(stream: string, events: readonly NumberedEvent[]): void {
    if (this.#stream !== stream) {
      this.#stream = stream;
      this.#storedSeq = 0;
    }
    for (const { seq, event } of events) {
      if (seq > this.#storedSeq) {
        this.#storedSeq = seq;
        if (event.type === "session.opened") {
          this.stored.push(event.sessionId);
        }
      }
    }
    this.#toRelay.push({ type: "events-ack", stream, seq: this.#storedSeq });
  }

  #deliver(message: HubMessage | undefined): void {
    if (message !== undefined) {
      this.#feed({ kind: "message", message });
    }
  }

  #finishApply(): void {
    const done = this.#applying.shift();
    if (done !== undefined) {
      const { epoch, seq, sessionId } = done;
      this.#appliedByProcess.push(seq);
      this.carriedOut.add(sessionId);
      this.#feed({ kind: "applied", epoch, seq, refusal: null });
    }
  }

  #cut(lostToHub: number, lostToRelay: number): void {
    // What was on the wire may still arrive, up to the place where it was cut.
    this.#toHub.splice(Math.max(0, this.#toHub.length - lostToHub));
    this.#toHub.splice(0).forEach((message) => this.#hear(message));
    this.#toRelay.splice(Math.max(0, this.#toRelay.length - lostToRelay));
    this.#toRelay.splice(0).forEach((message) => this.#deliver(message));
    this.#toHub.length = 0;
    this.#toRelay.length = 0;
    this.#isGreeted = false;
    this.#feed({ kind: "closed", detail: "cut" });
  }

  /** kill -9: only the disk is left; what was being applied never ends. */
  #restart(): void {
    this.#toHub.splice(0).forEach((message) => this.#hear(message));
    this.#toRelay.length = 0;
    this.#isGreeted = false;
    this.#applying.length = 0;
    this.#state = initialLinkState();
    this.#spool = this.#openSpool();
    this.#appliedByProcess = [];
    this.applied.push(this.#appliedByProcess);
  }

  #openSpool(): Spool {
    return new Spool({
      disk: this.#disk,
      relayId: "rly",
      nowMs: () => 0,
      randomBytes: countingBytes(),
      log: silentLog,
    });
  }

  #feed(input: LinkInput): void {
    const context = { nowMs: this.#nowMs, chance: 0 };
    const { state, effects } = stepLink(this.#state, input, context);
    this.#state = state;
    effects.forEach((effect) => this.#perform(effect));
  }

  #perform(effect: LinkEffect): void {
    switch (effect.kind) {
      case "hello":
        this.#toHub.push({
          type: "hello",
          ...effect.hello,
          build: "",
          instanceId: "i",
          channelsMax: 1,
          enforces: [],
        });
        break;
      case "send":
        this.#toHub.push(effect.message);
        break;
      case "adopt":
        this.#feed({ kind: "adopted", failure: null });
        break;
      case "apply":
        assert(effect.command.kind === "withdraw", "nothing else is pushed");
        this.#applying.push({
          epoch: effect.epoch,
          seq: effect.seq,
          sessionId: effect.command.sessionId,
        });
        break;
      case "reconcile":
        this.#spool.reconcile(effect.stream, effect.storedSeq);
        break;
      case "record-snapshot":
        this.#spool.record({ type: "relay.snapshot", sessionIds: [] });
        break;
      case "acknowledged":
        this.#spool.acknowledge(effect.stream, effect.seq);
        break;
      case "deliver": {
        const batch = this.#spool.batch(effect.afterSeq);
        this.#feed({ kind: "batch", ...batch });
        break;
      }
      case "log":
        if (effect.level === "error") {
          this.faults.push(effect.name);
        }
        break;
      case "connect":
      case "ping":
      case "close":
      case "adopt-keys":
      case "answered":
      case "settle":
        break;
    }
  }
}

function pushOf(seq: number, sessionId: string): HubMessage {
  return { type: "push", seq, command: { kind: "withdraw", sessionId } };
}

const simple = (kind: "push" | "record" | "connect" | "to-hub" | "to-relay" | "apply") =>
  fc.constant<Move>({ kind });
const moves: fc.Arbitrary<Move[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: simple("push") },
    { weight: 3, arbitrary: simple("record") },
    { weight: 3, arbitrary: simple("connect") },
    { weight: 6, arbitrary: simple("to-hub") },
    { weight: 6, arbitrary: simple("to-relay") },
    { weight: 4, arbitrary: simple("apply") },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("cut" as const),
        lostToHub: fc.nat(4),
        lostToRelay: fc.nat(4),
      }),
    },
    { weight: 1, arbitrary: fc.constant<Move>({ kind: "restart" }) },
  ),
  { maxLength: 150, size: "max" },
);

describe("the control link over a wire that loses", () => {
  it("applies each number once and in order, loses no push, and delivers each event exactly once", () => {
    fc.assert(
      fc.property(moves, (script) => {
        const world = new World();
        script.forEach((move) => world.move(move));
        world.settle();
        expect(world.faults).toEqual([]);
        expect(world.isSettled).toBe(true);
        // A process applies ascending numbers without repeating one; together they applied all.
        for (const ofProcess of world.applied) {
          expect(ofProcess).toEqual([...new Set(ofProcess)].sort((a, b) => a - b));
        }
        expect(world.carriedOut.size).toBe(world.pushedCount);
        const recorded = Array.from({ length: world.recordedCount }, (_, i) => `ses_${i + 1}`);
        expect(world.stored).toEqual(recorded);
      }),
      { numRuns: 400 },
    );
  });
});
