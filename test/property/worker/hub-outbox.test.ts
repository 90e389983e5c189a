/**
 * The hub's outbox with the relay at its other end, under loss, repetition and restarts of either:
 * orders arrive and go before grants, grants that are of no use any more do not, each caller is
 * answered once, and both ends come to agree on denials and drains.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CONTROL_VERSIONS } from "#shared/control/contract.ts";
import { isVoidedBy } from "#shared/control/denials.ts";
import { type Action, ControlWorld, type Pushed } from "./control-world.ts";

const push = (...kinds: Extract<Action, { do: "push" }>["kind"][]): fc.Arbitrary<Action> =>
  fc.record({
    do: fc.constant("push" as const),
    kind: fc.constantFrom(...kinds),
    about: fc.nat(3),
  });
const plain = (...what: ("connect" | "drop" | "greeted" | "to-relay" | "to-hub" | "apply")[]) =>
  fc.constantFrom(...what).map((one): Action => ({ do: one }));

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: push("grant") },
  { weight: 4, arbitrary: push("terminate", "withdraw", "deny", "drain") },
  { weight: 14, arbitrary: plain("to-relay", "to-hub", "apply", "greeted") },
  { weight: 3, arbitrary: plain("connect") },
  { weight: 1, arbitrary: plain("drop") },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Action>({ do: "restart-hub" }, { do: "restart-relay" }),
  },
  { weight: 1, arbitrary: fc.boolean().map((draining): Action => ({ do: "serving", draining })) },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 1, max: 3_000 }).map((ms): Action => ({ do: "pass", ms })),
  },
);

/** Whether the later push leaves the grant nothing to open. */
function isVoided(granted: Pushed, later: readonly Pushed[]): boolean {
  const { grant } = granted.command;
  return later.some(
    ({ command }) =>
      grant !== null &&
      (command.sessionId === grant.sessionId ||
        command.denials.some((denial) => isVoidedBy(grant, denial))),
  );
}

function isSameOrder(one: Pushed, other: Pushed): boolean {
  const { sessionId } = other.command;
  return (
    one === other ||
    (one.kind === other.kind && sessionId !== null && one.command.sessionId === sessionId)
  );
}

const VERSIONS = Array.from(
  { length: CONTROL_VERSIONS.max - CONTROL_VERSIONS.min + 1 },
  (_, index) => CONTROL_VERSIONS.min + index,
);

describe.each(VERSIONS)("the hub's outbox and a relay of version %i", (version) => {
  it("lose no order, deliver no stale grant, and agree in the end", () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 140, size: "max" }), (actions) => {
        const world = new ControlWorld(version);
        for (const one of actions) {
          world.act(one);
        }
        world.settle();
        for (const [index, pushed] of world.pushes.entries()) {
          expect(pushed.answers).toHaveLength(pushed.forgotten ? 0 : 1);
          const isOrder = pushed.kind === "terminate" || pushed.kind === "withdraw";
          if (pushed.answers[0] === null || isOrder) {
            // The same order twice is one entry with two callers.
            const alike = world.pushes.filter((other) => isSameOrder(other, pushed));
            expect(alike.some(({ applied }) => applied > 0)).toBe(true);
          }
          if (pushed.kind === "grant" && isVoided(pushed, world.pushes.slice(index + 1))) {
            const isHeld = [...world.relay.held].includes(grantOf(pushed));
            expect(isHeld && version > 1).toBe(false);
          }
        }
        expect(world.hub.outbox).toEqual([]);
        if (version > 1) {
          expect(world.relay.drains).toBe(world.drains);
          for (const denial of world.denials) {
            expect(world.relay.denials).toContainEqual(denial);
          }
        }
      }),
      { numRuns: 400 },
    );
  });
});

function grantOf({ command }: Pushed) {
  if (command.grant === null) {
    throw new Error("no grant");
  }
  return command.grant;
}

describe("a relay that comes back", () => {
  it("gets its orders before the grants that came meanwhile, under ascending numbers", () => {
    const world = new ControlWorld(CONTROL_VERSIONS.max);
    world.act({ do: "connect" });
    for (let about = 0; about < 4; about += 1) {
      world.act({ do: "push", kind: "grant", about });
    }
    world.act({ do: "push", kind: "terminate", about: 9 });
    expect(world.hub.outbox.map(({ kind, seq }) => [kind, seq])).toEqual([
      ["grant", null],
      ["grant", null],
      ["grant", null],
      ["grant", null],
      ["terminate", null],
    ]);
    world.act({ do: "to-hub" });
    world.act({ do: "greeted" });
    expect(world.hub.outbox.map(({ kind, seq }) => [kind, seq])).toEqual([
      ["grant", 2],
      ["grant", 3],
      ["grant", 4],
      ["grant", 5],
      ["terminate", 1],
    ]);
  });

  it("is asked again for an ack that was lost, and applies nothing twice for that", () => {
    const world = new ControlWorld(CONTROL_VERSIONS.max);
    world.act({ do: "connect" });
    world.act({ do: "to-hub" });
    world.act({ do: "greeted" });
    world.act({ do: "to-relay" });
    world.act({ do: "push", kind: "terminate", about: 1 });
    world.act({ do: "to-relay" });
    world.act({ do: "apply" });
    world.act({ do: "drop" });
    expect(world.hub.outbox).toHaveLength(1);
    world.settle();
    expect(world.pushes[0]?.applied).toBe(1);
    expect(world.hub.outbox).toEqual([]);
  });

  it("applies a push that it was applying as the link broke once more, under its new number", () => {
    const world = new ControlWorld(CONTROL_VERSIONS.max);
    world.act({ do: "connect" });
    world.act({ do: "to-hub" });
    world.act({ do: "greeted" });
    world.act({ do: "to-relay" });
    world.act({ do: "push", kind: "terminate", about: 1 });
    world.act({ do: "to-relay" });
    world.settle();
    expect(world.pushes[0]?.applied).toBe(2);
    expect(world.hub.outbox).toEqual([]);
  });
});
