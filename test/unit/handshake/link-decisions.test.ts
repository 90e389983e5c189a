import { describe, expect, it } from "vitest";
import { fail, ok } from "#shared/base/result.ts";
import { serverOffer } from "#shared/spice/capabilities.ts";
import {
  cluesOf,
  isSameServer,
  offerFor,
  withFullHeaders,
} from "../../../relay/handshake/link-decisions.ts";
import type { DialTarget, SessionClue } from "../../../relay/sessions/ports.ts";

const TARGET: DialTarget = {
  host: "hv1.example.test",
  port: 5900,
  tlsPort: 5901,
  ca: "ca",
  hostSubject: "CN=hv1",
  proxy: "http://proxy.example.test:3128",
  password: "sekret",
};
const LABEL: SessionClue = { kind: "label", label: "0".repeat(32) };

describe("what may tell of a session", () => {
  it("is nothing on a main channel that came by TLS", () => {
    expect(cluesOf(null, { channel: "main", connectionId: 7 })).toEqual([]);
  });

  it("is the way in before the connection id, which a main channel does not have", () => {
    const own = { kind: "connection-id", connectionId: 7 };
    expect(cluesOf(LABEL, { channel: "main", connectionId: 7 })).toEqual([LABEL]);
    expect(cluesOf(LABEL, { channel: "port", connectionId: 7 })).toEqual([LABEL, own]);
    expect(cluesOf(null, { channel: "port", connectionId: 0 })).toMatchObject([
      { connectionId: 0 },
    ]);
  });
});

describe("the offer", () => {
  it("is the fixed one for an unknown server and for one that was not reached", () => {
    const failure = fail({ code: "server.unreachable", detail: "" } as const);
    expect(offerFor("display", null)).toEqual(serverOffer("display"));
    expect(offerFor("display", failure)).toEqual(serverOffer("display"));
  });

  it("is the server's own, but for the authentication", () => {
    const offer = offerFor("display", ok({ common: [0x04], channel: [1, 2, 3] }));
    expect(offer).toEqual({ common: [0x03], channel: [1, 2, 3] });
  });
});

describe("a server that was reached ahead", () => {
  const foreseen = { sessionId: "s", target: TARGET };

  it("is entered for the same session and route, whatever its password", () => {
    const target = { ...TARGET, password: "other" };
    expect(isSameServer(foreseen, { sessionId: "s", target })).toBe(true);
  });

  it("is not entered for another session", () => {
    expect(isSameServer(foreseen, { sessionId: "t", target: TARGET })).toBe(false);
  });

  it.each(["host", "port", "tlsPort", "ca", "hostSubject", "proxy"] as const)(
    "is not entered for another %s",
    (field) => {
      const target = { ...TARGET, [field]: null };
      expect(isSameServer(foreseen, { sessionId: "s", target })).toBe(false);
    },
  );
});

describe("a client that was not offered mini headers", () => {
  it("states none to the server, and all else as it was", () => {
    const link = {
      connectionId: 1,
      channel: "main",
      channelId: 0,
      capabilities: { common: [0x0d, 5], channel: [0x0f] },
    } as const;
    expect(withFullHeaders(link)).toEqual({
      ...link,
      capabilities: { common: [0x05, 5], channel: [0x0f] },
    });
  });
});
