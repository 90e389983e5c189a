/** Denials at the relay: what they void, what they end, and what they leave alone. */
import { describe, expect, it } from "vitest";
import type { Denial } from "#shared/control/denials.ts";
import { type Issued, makeControl } from "../../harness/relay/fake-control.ts";
import { BENCH_START_MS, obey, RegistryBench } from "../../harness/relay/registry-bench.ts";

const USER = "usr_AAAAAAAAAAAAAAAAAAAAAA";

async function makeBench(): Promise<RegistryBench> {
  return new RegistryBench(await makeControl(() => BENCH_START_MS));
}

const denial = (facts: Partial<Denial> = {}): Denial => ({
  subject: "user",
  id: USER,
  atMs: BENCH_START_MS,
  untilMs: BENCH_START_MS + 60_000,
  ...facts,
});

async function deny(bench: RegistryBench, ...denials: Denial[]): Promise<void> {
  expect(await bench.registry.apply({ kind: "deny", revision: 7, denials })).toBe(null);
}

describe("a denial", () => {
  it("voids grants that are held, and refuses those that come later", async () => {
    const bench = await makeBench();
    const held = await bench.issue({ userId: USER });
    await deny(bench, denial());
    expect(await bench.code(held.ticket)).toBe("ticket.unknown");
    const late = await bench.control.issue({ userId: USER });
    expect(await bench.push(late.grant)).toMatchObject({ code: "control.denied" });
    expect(bench.registry.denials()).toEqual({ count: 1, revision: 7 });
  });

  it("refuses a grant that the control plane was asked for", async () => {
    const bench = await makeBench();
    await deny(bench, denial());
    const issued = await bench.control.issue({ userId: USER });
    bench.answer = async () => ({ ok: true, value: issued.grant });
    expect(await bench.code(issued.ticket)).toBe("ticket.unknown");
    expect(bench.lookups).toHaveLength(1);
  });

  it("ends living sessions at once, and takes no further channel of them", async () => {
    const bench = await makeBench();
    const issued = await bench.issue({ userId: USER });
    const main = await bench.openMain(issued.ticket);
    const display = await bench.join(issued.ticket);
    await deny(bench, denial());
    expect(main.signal.reason).toMatchObject({ code: "terminated" });
    const later = { channel: "inputs", connectionId: 7 } as const;
    expect(await bench.code(issued.ticket, later)).toBe("ticket.no-session");
    obey(main);
    obey(display);
    expect(bench.summaries.sessions).toMatchObject([{ reason: "terminated" }]);
    expect(bench.registry.counts()).toMatchObject({ sessions: 0, channels: 0 });
  });

  it.each([
    ["console", ({ consoleId }: Issued) => consoleId],
    ["session", ({ sessionId }: Issued) => sessionId],
  ] as const)("of a %s is about that one alone", async (subject, idOf) => {
    const bench = await makeBench();
    const denied = await bench.issue();
    const other = await bench.issue();
    await deny(bench, denial({ subject, id: idOf(denied) }));
    expect(await bench.code(denied.ticket)).toBe("ticket.unknown");
    expect(await bench.code(other.ticket)).toBe("admitted");
  });

  it("leaves alone what was granted after it, and other people", async () => {
    const bench = await makeBench();
    await deny(bench, denial({ atMs: BENCH_START_MS - 1_000 }));
    const after = await bench.issue({ userId: USER });
    expect(await bench.code(after.ticket)).toBe("admitted");
    const other = await bench.issue();
    await deny(bench, denial());
    expect(await bench.code(other.ticket)).toBe("admitted");
  });

  it("of a held grant is no ban of its session", async () => {
    let atMs = BENCH_START_MS;
    const bench = new RegistryBench(await makeControl(() => atMs));
    const { sessionId } = await bench.issue();
    await deny(bench, denial({ subject: "session", id: sessionId }));
    atMs += 1_000;
    const again = await bench.issue({ sessionId });
    expect(await bench.code(again.ticket)).toBe("admitted");
  });

  it("is not weakened by an older one, and is forgotten when nothing it is about can live", async () => {
    const bench = await makeBench();
    await deny(bench, denial(), denial({ atMs: 1 }));
    const issued = await bench.control.issue({ userId: USER });
    expect(await bench.push(issued.grant)).toMatchObject({ code: "control.denied" });
    bench.clock.advance(60_000);
    bench.registry.sweep();
    expect(bench.registry.denials()).toEqual({ count: 0, revision: 7 });
  });

  it("pushes the oldest out when there are too many", async () => {
    const control = await makeControl(() => BENCH_START_MS);
    const bench = new RegistryBench(control, { denialsMax: 2 });
    await deny(bench, ...["a", "b", "c"].map((id) => denial({ id })));
    expect(bench.registry.denials().count).toBe(2);
  });
});
