/** What a clue tells of: advice that uses nothing up, and names nothing that would not come in. */
import { beforeEach, describe, expect, it } from "vitest";
import { ok, type Result } from "#shared/base/result.ts";
import { sessionLabel } from "#shared/ticket/session-label.ts";
import type { ForeseenSession, Refusal, SessionClue } from "../../../relay/sessions/ports.ts";
import {
  type FakeControl,
  type Issued,
  makeControl,
  makeTicketKey,
} from "../../harness/relay/fake-control.ts";
import { BENCH_START_MS, closed, RegistryBench } from "../../harness/relay/registry-bench.ts";

const from = { channel: "display", clientAddress: "192.0.2.7" } as const;

let control: FakeControl;
let bench: RegistryBench;

beforeEach(async () => {
  control = await makeControl(() => BENCH_START_MS);
  bench = new RegistryBench(control);
});

async function byLabel({ hash }: Issued): Promise<string | null> {
  return seen(await bench.registry.foresee({ kind: "label", label: await sessionLabel(hash) }));
}

async function byToken({ ticket }: { readonly ticket: string }): Promise<string | null> {
  return seen(await bench.registry.foresee({ kind: "token", token: ticket }, from));
}

async function byId(connectionId: number): Promise<string | null> {
  return seen(await bench.registry.foresee({ kind: "connection-id", connectionId }));
}

function seen(result: Result<ForeseenSession | null, Refusal>): string | null {
  return result.ok ? (result.value?.sessionId ?? null) : result.error.code;
}

describe("a label or a token", () => {
  it("tells of a held grant and of the session that it opens, and never of a password", async () => {
    const issued = await bench.issue({ password: "hypervisor's own" });
    const label = await sessionLabel(issued.hash);
    const clues: SessionClue[] = [
      { kind: "label", label },
      { kind: "token", token: issued.ticket },
    ];
    for (const clue of clues) {
      const foreseen = await bench.registry.foresee(clue);
      expect(foreseen).toMatchObject({
        ok: true,
        value: { sessionId: issued.sessionId, target: { host: "127.0.0.1" } },
      });
      expect(JSON.stringify(foreseen)).not.toContain("hypervisor's own");
    }
    expect(bench.registry.counts()).toMatchObject({ sessions: 0, grants: 1 });
    const main = await bench.openMain(issued.ticket);
    const living = await Promise.all(clues.map(async (clue) => bench.registry.foresee(clue)));
    const { sessionId } = issued;
    const { password, ...target } = main.target;
    expect(password).toBe("hypervisor's own");
    const expected = ok({ sessionId, target });
    expect(living).toEqual([expected, expected]);
    bench.clock.advance(3_600_000);
    expect([await byLabel(issued), await byToken(issued)]).toEqual([sessionId, sessionId]);
    main.end(closed("client"));
    expect(await byLabel(issued)).toBeNull();
    expect(await byToken(issued)).toBe("ticket.expired");
  });

  it("tells of a session that waits for its client", async () => {
    const issued = await bench.issue({ policy: { reconnectWindowS: 30 } });
    (await bench.openMain(issued.ticket)).end(closed("client"));
    const { sessionId } = issued;
    expect([await byLabel(issued), await byToken(issued)]).toEqual([sessionId, sessionId]);
  });

  it("tells of none that is ending", async () => {
    const issued = await bench.issue();
    await bench.openMain(issued.ticket);
    bench.registry.terminate(issued.sessionId, "x");
    expect([await byLabel(issued), await byToken(issued)]).toEqual([null, "ticket.used"]);
  });

  it("tells of none whose password cannot be read: the admission says why", async () => {
    const issued = await bench.issue({ sealKey: new Uint8Array(32) });
    expect([await byLabel(issued), await byToken(issued)]).toEqual([null, null]);
  });

  it("tells of none whose console somebody watches, unless he has to give way", async () => {
    const consoleId = "con_shared";
    await bench.openMain((await bench.issue({ consoleId })).ticket);
    const refused = await bench.issue({ consoleId });
    expect([await byLabel(refused), await byToken(refused)]).toEqual([null, null]);
    const taker = await bench.issue({ consoleId, policy: { secondViewer: "take-over" } });
    expect(await byLabel(taker)).toBe(taker.sessionId);
  });

  it("tells of nothing new while the relay drains", async () => {
    const living = await bench.issue();
    await bench.openMain(living.ticket);
    const issued = await bench.issue();
    void bench.registry.drain(60_000);
    expect([await byLabel(issued), await byToken(issued)]).toEqual([null, "relay.draining"]);
    expect(await byToken(living)).toBe(living.sessionId);
    expect(await byToken(await control.issue())).toBe("relay.draining");
    expect(bench.lookups).toEqual([]);
    void bench.registry.stop();
    expect(await byToken(living)).toBe("relay.stopping");
  });
});

describe("a label", () => {
  it("tells of none that is unknown, withdrawn or expired, and that is no refusal", async () => {
    const unknown = await control.issue();
    const withdrawn = await bench.issue();
    bench.registry.withdraw(withdrawn.sessionId);
    const expired = await bench.issue({ expiresInS: 5 });
    bench.clock.advance(5_000);
    for (const issued of [unknown, withdrawn, expired]) {
      expect(await byLabel(issued)).toBeNull();
    }
    expect(bench.events.all).toEqual([]);
    expect(bench.lookups).toEqual([]);
  });
});

describe("a token", () => {
  it("is asked for when its grant is not here, once for it and its main channel", async () => {
    const issued = await control.issue();
    bench.answer = async () => ok(issued.grant);
    expect(await byToken(issued)).toBe(issued.sessionId);
    expect(await bench.code(issued.ticket)).toBe("admitted");
    expect(bench.lookups).toEqual([issued.hash]);
  });

  it.each([
    ["malformed", async () => ({ ticket: "hunter2" })],
    ["foreign", async () => control.issue({ ticketKey: makeTicketKey() })],
    ["expired", async () => control.issue({ expiresInS: -1 })],
    ["unknown", async () => control.issue()],
    [
      "used",
      async () => {
        const issued = await bench.issue();
        (await bench.openMain(issued.ticket)).end(closed("client"));
        return issued;
      },
    ],
    [
      "unknown",
      async () => {
        const issued = await bench.issue();
        bench.registry.withdraw(issued.sessionId);
        return issued;
      },
    ],
  ] as const)("is refused: %s", async (reason, make) => {
    expect(await byToken(await make())).toBe(`ticket.${reason}`);
    expect(bench.events.of("ticket.refused")).toMatchObject([{ reason, ...from }]);
  });

  it("is refused by its MAC alone, without any look-up, and ever more slowly", async () => {
    const { ticket } = await control.issue();
    const forged = ticket.slice(0, -2) + (ticket.endsWith("AA") ? "BA" : "AA");
    const holds: number[] = [];
    for (let index = 0; index < 7; index += 1) {
      const foreseen = await bench.registry.foresee({ kind: "token", token: forged }, from);
      holds.push(foreseen.ok ? -1 : foreseen.error.holdMs);
    }
    expect(holds).toEqual([0, 0, 0, 0, 0, 1_000, 2_000]);
    expect(bench.lookups).toEqual([]);
  });
});

describe("clues that are no credentials", () => {
  it("have a session's server asked a bounded number of times a minute", async () => {
    bench = new RegistryBench(control, { foreseenPerMinuteMax: 3 });
    const [held, living, other] = [await bench.issue(), await bench.issue(), await bench.issue()];
    await bench.openMain(living.ticket);
    const many = async (ask: () => Promise<string | null>): Promise<number> => {
      const answers: (string | null)[] = [];
      for (let index = 0; index < 5; index += 1) {
        answers.push(await ask());
      }
      return answers.filter((answer) => answer !== null).length;
    };
    expect(await many(() => byLabel(held))).toBe(3);
    expect(await byId(7)).toBe(living.sessionId);
    expect(await many(() => byLabel(living))).toBe(2);
    expect([await byId(7), await byLabel(other)]).toEqual([null, other.sessionId]);
    expect(await many(() => byToken(living))).toBe(5);
    expect(await bench.code(held.ticket)).toBe("admitted");
    bench.clock.advance(60_000);
    expect(await byId(7)).toBe(living.sessionId);
    bench.clock.advance(-3_600_000);
    expect(await many(() => byId(7))).toBe(3);
  });
});

describe("a connection id", () => {
  it("tells of the living session that learned it, and of no other", async () => {
    const one = await bench.issue({ policy: { reconnectWindowS: 30 } });
    const main = await bench.openMain(one.ticket, 7);
    expect([await byId(7), await byId(8), await byId(0)]).toEqual([one.sessionId, null, null]);
    main.end(closed("client"));
    expect(await byId(7)).toBeNull();
    await bench.openMain(one.ticket, 8);
    expect([await byId(7), await byId(8)]).toEqual([null, one.sessionId]);
    bench.registry.terminate(one.sessionId, "x");
    expect(await byId(8)).toBeNull();
  });

  it("that two servers chose alike tells of none, until one of them is left", async () => {
    const [one, two] = [await bench.issue(), await bench.issue()];
    const main = await bench.openMain(one.ticket, 7);
    await bench.openMain(two.ticket, 7);
    expect(await byId(7)).toBeNull();
    main.end(closed("server"));
    expect(await byId(7)).toBe(two.sessionId);
  });
});
