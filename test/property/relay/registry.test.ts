/** The registry under any interleaving: one session a console, and every account closes. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RelayEvent } from "#shared/control/contract.ts";
import { ok } from "#shared/base/result.ts";
import type { Policy } from "#shared/policy/policy.ts";
import type { AdmittedChannel, ChannelEnd } from "../../../relay/sessions/ports.ts";
import { type FakeControl, type Issued, makeControl } from "../../harness/relay/fake-control.ts";
import { BENCH_START_MS, obey, RegistryBench } from "../../harness/relay/registry-bench.ts";

/** Two consoles, four users' sessions of them, and every rule in some of these. */
const POLICIES: readonly Partial<Policy>[] = [
  { secondViewer: "refuse", reconnectWindowS: 5 },
  { secondViewer: "take-over", idleS: 4 },
  { secondViewer: "take-over", reconnectWindowS: 20, durationS: 15 },
  { secondViewer: "refuse", idleS: 7, durationS: 9 },
];

const KINDS = [
  "push",
  "withdraw",
  "terminate",
  "main",
  "main",
  "main",
  "join",
  "join",
  "end",
  "end",
  "touch",
  "advance",
  "foresee",
  "drain",
  "resume",
] as const;

interface Step {
  readonly kind: (typeof KINDS)[number];
  readonly which: number;
  readonly how: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom(...KINDS),
  which: fc.nat(3),
  how: fc.nat(9),
});

const ENDS: readonly Pick<ChannelEnd, "by" | "code">[] = [
  { by: "client", code: "closed" },
  { by: "client", code: "closed" },
  { by: "server", code: "closed" },
  { by: "client", code: "message.rate-exceeded" },
  { by: "relay", code: "relay.worker-lost" },
];

/** The registry, who uses it, and what may be said of both at any moment. */
class World {
  readonly bench: RegistryBench;
  readonly issued: readonly Issued[];
  readonly admitted: AdmittedChannel[] = [];
  readonly mains: { readonly channel: AdmittedChannel; readonly consoleId: string }[] = [];
  readonly ended = new Set<AdmittedChannel>();
  readonly known = new Set<string>();
  connectionIds = 0;
  /** The connection id that each session's client was told last. */
  readonly told = new Map<string, number>();

  constructor(bench: RegistryBench, issued: readonly Issued[]) {
    this.bench = bench;
    this.issued = issued;
  }

  async perform({ kind, which, how }: Step): Promise<void> {
    const { registry, clock } = this.bench;
    const target = this.issued[which] as Issued;
    const channel = this.admitted[(which * 10 + how) % Math.max(1, this.admitted.length)];
    switch (kind) {
      case "push":
        await this.bench.push(target.grant);
        break;
      case "withdraw":
        registry.withdraw(target.sessionId);
        break;
      case "terminate":
        registry.terminate(target.sessionId, "test");
        break;
      case "main":
        await this.#main(target, how);
        break;
      case "join":
        await this.#join(target, how);
        break;
      case "end":
        this.#end(channel, { ...NOTHING_MOVED, ...(ENDS[how % ENDS.length] as Cause) });
        break;
      case "touch":
        channel?.touch();
        break;
      case "advance":
        clock.advance(how * 1_000 + 1);
        break;
      case "foresee":
        await registry.foresee({ kind: "token", token: target.ticket });
        break;
      case "drain":
        void registry.drain(how * 1_000);
        break;
      case "resume":
        registry.resume();
        break;
      default:
        break;
    }
    this.check();
  }

  check(): void {
    const watched = this.mains
      .filter(({ channel }) => !channel.signal.aborted && !this.ended.has(channel))
      .map(({ consoleId }) => consoleId);
    expect(new Set(watched).size).toBe(watched.length);
    expect(this.bench.registry.counts().channels).toBe(this.admitted.length - this.ended.size);
  }

  /** Everybody obeys, and time passes until nothing can be waited for. */
  settle(): void {
    this.bench.registry.resume();
    for (const channel of this.admitted) {
      this.#end(channel, { ...NOTHING_MOVED, by: "client", code: "closed" });
    }
    this.bench.clock.advance(3_600_000);
  }

  async #main(target: Issued, how: number): Promise<void> {
    const { registry } = this.bench;
    const isNew = !this.known.has(target.sessionId);
    const result = await this.bench.admit(target.ticket);
    if (!result.ok) {
      return;
    }
    expect(isNew && registry.isDraining && !this.known.has(target.sessionId)).toBe(false);
    const channel = result.value;
    this.known.add(target.sessionId);
    this.mains.push({ channel, consoleId: target.consoleId });
    this.#carry(channel, how);
    if (how !== 0) {
      channel.opened();
      this.connectionIds += 1;
      this.told.set(target.sessionId, this.connectionIds);
      channel.learnConnectionId(this.connectionIds);
    }
  }

  async #join(target: Issued, how: number): Promise<void> {
    const connectionId = this.told.get(target.sessionId) ?? 0;
    const result = await this.bench.admit(target.ticket, { channel: "display", connectionId });
    if (result.ok) {
      this.#carry(result.value, how);
      if (how % 3 !== 0) {
        result.value.opened();
      }
    }
  }

  /** Some channels end in the very moment in which they are asked to, others later. */
  #carry(channel: AdmittedChannel, how: number): void {
    this.admitted.push(channel);
    if (how % 2 === 0) {
      channel.signal.addEventListener("abort", () => {
        this.ended.add(channel);
        obey(channel);
      });
    }
  }

  #end(channel: AdmittedChannel | undefined, end: ChannelEnd): void {
    if (channel !== undefined) {
      this.ended.add(channel);
      channel.end(end);
      channel.end(end);
    }
  }
}

describe("the registry under any interleaving", () => {
  it("keeps one session a console, opens each ticket once, and balances every account", async () => {
    const control = await makeControl(() => BENCH_START_MS);
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(step, { maxLength: 40 }),
        async (scheduler, script) => {
          const world = await makeWorld(control, scheduler);
          const running = script.map((each) =>
            scheduler.schedule(Promise.resolve()).then(() => world.perform(each)),
          );
          await scheduler.waitFor(Promise.all(running));
          world.settle();
          expect(world.bench.registry.counts()).toMatchObject({ sessions: 0, channels: 0 });
          expect(world.bench.clock.timerCount).toBe(0);
          checkEvents(world.bench.events.all, world.admitted.length);
        },
      ),
      { numRuns: 200 },
    );
  });
});

async function makeWorld(control: FakeControl, scheduler: fc.Scheduler): Promise<World> {
  const issued = await Promise.all(
    POLICIES.map(async (policy, index) =>
      control.issue({ policy, consoleId: `con_${index % 2}`, userId: `usr_${index % 3}` }),
    ),
  );
  const bench = new RegistryBench(control);
  const byHash = new Map(issued.map((one) => [one.hash, one.grant]));
  bench.answer = async (hash) =>
    scheduler.schedule(Promise.resolve(ok(byHash.get(hash) ?? "")), "look-up");
  return new World(bench, issued);
}

function checkEvents(events: readonly RelayEvent[], admittedCount: number): void {
  const count = (type: RelayEvent["type"]): number =>
    events.filter((event) => event.type === type).length;
  expect(count("channel.closed")).toBe(count("channel.opened"));
  const refused = events.filter(
    (event) => event.type === "channel.refused" && !REFUSED_BEFORE.has(event.code),
  );
  expect(count("channel.closed") + refused.length).toBe(admittedCount);
  const ends = events.filter((event) => event.type === "session.ended");
  expect(new Set(ends.map((event) => event.sessionId)).size).toBe(ends.length);
  const opened = events.filter((event) => event.type === "session.opened");
  expect(new Set(opened.map((event) => event.sessionId)).size).toBe(opened.length);
  for (const { sessionId } of opened) {
    expect(ends.map((event) => event.sessionId)).toContain(sessionId);
  }
  for (const end of ends) {
    const later = events.slice(events.indexOf(end) + 1);
    const lateChannels = later.filter(
      (event) => event.type.startsWith("channel.") && "sessionId" in event,
    );
    expect(lateChannels.map((event) => "sessionId" in event && event.sessionId)).not.toContain(
      end.sessionId,
    );
  }
}

type Cause = Pick<ChannelEnd, "by" | "code">;
const NOTHING_MOVED = { detail: "", clientBytes: 0, serverBytes: 0 } as const;
/** Codes of channels that were refused without having been admitted. */
const REFUSED_BEFORE = new Set(["console.in-use", "relay.draining"]);
