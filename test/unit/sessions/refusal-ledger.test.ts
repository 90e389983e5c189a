import { describe, expect, it } from "vitest";
import { DATA_PLANE_LIMITS } from "../../../relay/limits.ts";
import {
  type RefusalLimits,
  RefusalLedger,
  type RefusedTicket,
} from "../../../relay/sessions/refusal-ledger.ts";

const START_MS = 1_000_000;

function make(limits: Partial<RefusalLimits> = {}): RefusalLedger {
  return new RefusalLedger({ ...DATA_PLANE_LIMITS, ...limits });
}

function refused(changes: Partial<RefusedTicket> = {}): RefusedTicket {
  const who = { channel: "main", clientAddress: "192.0.2.1", sessionId: null } as const;
  return { reason: "forged", ...who, ...changes };
}

function holds(ledger: RefusalLedger, count: number, nowMs = START_MS): number[] {
  return Array.from({ length: count }, () => ledger.note(refused(), nowMs).holdMs);
}

describe("withholding", () => {
  it("spares the first few of an address, then doubles up to its bound", () => {
    expect(holds(make(), 12)).toEqual([
      0, 0, 0, 0, 0, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000,
    ]);
  });

  it("decays with time, and two minutes after the worst nothing is left of it", () => {
    const ledger = make();
    holds(ledger, 100);
    expect(holds(ledger, 1, START_MS + 48_000)).toEqual([1_000]);
    const later = make();
    holds(later, 100);
    expect(holds(later, 6, START_MS + 120_000)).toEqual([0, 0, 0, 0, 0, 1_000]);
  });

  it("grows for no one who is refused as seldom as the rate allows", () => {
    const ledger = make();
    const all = Array.from({ length: 50 }, (_none, index) =>
      holds(ledger, 1, START_MS + index * 12_000),
    );
    expect(all.flat().every((holdMs) => holdMs === 0)).toBe(true);
  });

  it("counts a /64 as one address and other addresses apart", () => {
    const ledger = make({ refusalsFreeMax: 1 });
    const note = (clientAddress: string): number =>
      ledger.note(refused({ clientAddress }), START_MS).holdMs;
    expect(["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "192.0.2.2"].map(note)).toEqual([
      0, 1_000, 0, 0,
    ]);
  });

  it("holds every refusal while all addresses together are above their rate", () => {
    const ledger = make({ refusalsTotalMax: 60 });
    const note = (index: number, nowMs: number): number =>
      ledger.note(refused({ clientAddress: `192.0.2.${index}` }), nowMs).holdMs;
    const all = Array.from({ length: 62 }, (_none, index) => note(index, START_MS));
    expect(all.filter((holdMs) => holdMs === 1_000)).toHaveLength(2);
    expect(all.slice(60)).toEqual([1_000, 1_000]);
    // A flood leaves nothing behind that a quiet second does not clear.
    expect(note(100, START_MS + 1_000)).toBe(0);
  });

  it("holds what could not be judged against nobody", () => {
    const ledger = make();
    for (let index = 0; index < 50; index += 1) {
      expect(ledger.note(refused({ reason: "unverifiable" }), START_MS).holdMs).toBe(0);
    }
    expect(holds(ledger, 1)).toEqual([0]);
  });

  it("is not confused by a clock that was set back", () => {
    const ledger = make();
    holds(ledger, 6);
    expect(holds(ledger, 1, START_MS - 3_600_000)).toEqual([2_000]);
    expect(holds(ledger, 1, START_MS - 3_600_000 + 120_000)).toEqual([0]);
  });
});

describe("telling", () => {
  it("tells the first of a minute singly and the rest as one sum a reason", () => {
    const ledger = make({ refusalsToldMax: 2 });
    const singly = Array.from({ length: 10 }, () => ledger.note(refused(), START_MS).told).flat();
    expect(singly.map((sum) => sum.count)).toEqual([1, 1]);
    ledger.note(refused({ reason: "expired", sessionId: "s" }), START_MS);
    ledger.note(refused({ reason: "expired", sessionId: "s" }), START_MS);
    expect(ledger.flush(START_MS + 59_999)).toEqual([]);
    expect(ledger.flush(START_MS + 60_000)).toEqual([
      { ...refused(), count: 8 },
      { ...refused({ reason: "expired", sessionId: "s" }), count: 2 },
    ]);
    expect(ledger.flush(START_MS + 200_000)).toEqual([]);
    expect(ledger.sourceCount).toBe(0);
  });

  it("tells a minute's sum before the next minute begins, without any flush", () => {
    const ledger = make({ refusalsToldMax: 1 });
    ledger.note(refused(), START_MS);
    ledger.note(refused(), START_MS);
    const { told } = ledger.note(refused({ reason: "used" }), START_MS + 60_000);
    expect(told).toEqual([
      { ...refused(), count: 1 },
      { ...refused({ reason: "used" }), count: 1 },
    ]);
  });

  it("names no session in a sum that is about several", () => {
    const ledger = make({ refusalsToldMax: 0 });
    ledger.note(refused({ sessionId: "s" }), START_MS);
    ledger.note(refused({ sessionId: "t" }), START_MS);
    expect(ledger.close()).toEqual([{ ...refused(), count: 2 }]);
  });

  it("forgets the address that was silent longest, and tells its sum then", () => {
    const ledger = make({ refusalsToldMax: 0, refusalSourcesMax: 2 });
    const note = (clientAddress: string): unknown =>
      ledger.note(refused({ clientAddress }), START_MS).told;
    note("192.0.2.1");
    note("192.0.2.2");
    expect(note("192.0.2.1")).toEqual([]);
    expect(note("192.0.2.3")).toEqual([{ ...refused({ clientAddress: "192.0.2.2" }), count: 1 }]);
    expect(ledger.sourceCount).toBe(2);
    expect(ledger.close()).toHaveLength(2);
  });

  it("loses nothing: what was noted and what was told are the same number", () => {
    const ledger = make({ refusalsToldMax: 2, refusalSourcesMax: 3 });
    let told = 0;
    for (let index = 0; index < 500; index += 1) {
      const clientAddress = `192.0.2.${(index * 7) % 5}`;
      const nowMs = START_MS + index * 1_500;
      const sums = ledger.note(refused({ clientAddress }), nowMs).told;
      const flushed = index % 50 === 0 ? ledger.flush(nowMs) : [];
      told += [...sums, ...flushed].reduce((total, sum) => total + sum.count, 0);
    }
    told += ledger.close().reduce((total, sum) => total + sum.count, 0);
    expect(told).toBe(500);
  });
});
