import { describe, expect, it } from "vitest";
import { SourceGate } from "../../../relay/workers/source-gate.ts";

const LIMITS = { connectionsMax: 6, connectionsPerSourceMax: 4, handshakesPerSourceMax: 2 };

function gateWith(limits: Partial<typeof LIMITS> = {}): SourceGate {
  return new SourceGate({ ...LIMITS, ...limits });
}

describe("the source gate", () => {
  it("bounds the unfinished handshakes of one source, and not of others", () => {
    const gate = gateWith();
    expect(gate.enter("1", "192.0.2.1")).toBeNull();
    expect(gate.enter("2", "192.0.2.1")).toBeNull();
    expect(gate.enter("3", "192.0.2.1")).toBe("link.source-limited");
    expect(gate.enter("4", "192.0.2.2")).toBeNull();
    gate.linked("1");
    expect(gate.enter("5", "192.0.2.1")).toBeNull();
  });

  it("bounds the connections of one source, linked or not", () => {
    const gate = gateWith();
    for (const ref of ["1", "2", "3", "4"]) {
      expect(gate.enter(ref, "192.0.2.1")).toBeNull();
      gate.linked(ref);
    }
    expect(gate.enter("5", "192.0.2.1")).toBe("link.source-limited");
    gate.leave("2");
    expect(gate.enter("5", "192.0.2.1")).toBeNull();
  });

  it("bounds all connections together", () => {
    const gate = gateWith();
    for (let index = 0; index < LIMITS.connectionsMax; index += 1) {
      expect(gate.enter(`c${index}`, `192.0.2.${index}`)).toBeNull();
    }
    expect(gate.enter("more", "192.0.2.99")).toBe("relay.full");
    expect(gate.connectionCount).toBe(LIMITS.connectionsMax);
  });

  it("counts an IPv6 /64 as one source, and an IPv4 address in IPv6 form as that address", () => {
    const gate = gateWith();
    gate.enter("1", "2001:db8:0:1::1");
    gate.enter("2", "2001:db8::1:ffff:ffff:ffff:2");
    expect(gate.enter("3", "2001:db8:0:1::3")).toBe("link.source-limited");
    expect(gate.enter("4", "2001:db8:0:2::1")).toBeNull();
    gate.enter("5", "::ffff:192.0.2.1");
    expect(gate.sourceCount).toBe(3);
    gate.enter("6", "192.0.2.1");
    expect(gate.sourceCount).toBe(3);
  });

  it("forgets a source with its last connection, whatever is said twice or of strangers", async () => {
    const gate = gateWith();
    await gate.drained();
    gate.enter("1", "192.0.2.1");
    gate.enter("2", "192.0.2.1");
    gate.linked("1");
    gate.linked("1");
    gate.linked("unknown");
    const drained = gate.drained();
    gate.leave("1");
    gate.leave("1");
    gate.leave("unknown");
    expect(gate.connectionCount).toBe(1);
    gate.leave("2");
    await drained;
    expect([gate.connectionCount, gate.sourceCount]).toEqual([0, 0]);
    expect(gate.enter("3", "192.0.2.1")).toBeNull();
    expect(gate.enter("4", "192.0.2.1")).toBeNull();
    expect(gate.enter("5", "192.0.2.1")).toBe("link.source-limited");
  });
});
