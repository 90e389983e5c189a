import { describe, expect, it } from "vitest";
import { CLIENT_ADDRESS_HEADER, withPeerAddress } from "../../../worker/peer-address.ts";

function addressOf(headers: Readonly<Record<string, string>>, peer: string | null): string | null {
  const request = new Request("http://kerbside.test/", { headers });
  return withPeerAddress(request, peer).headers.get(CLIENT_ADDRESS_HEADER);
}

describe("the client's address on a host without Cloudflare's edge", () => {
  it.each([
    ["192.0.2.7:4711", "192.0.2.7"],
    ["[2001:db8::7]:4711", "2001:db8::7"],
    ["[::ffff:192.0.2.7]:4711", "192.0.2.7"],
    ["unix:", null],
    [null, null],
  ])("is whoever holds the socket: %s", (peer, address) => {
    expect(addressOf({}, peer)).toBe(address);
  });

  it("is not what the client claims", () => {
    const claims = { [CLIENT_ADDRESS_HEADER]: "203.0.113.1" };
    expect(addressOf(claims, "192.0.2.7:1")).toBe("192.0.2.7");
    expect(addressOf(claims, null)).toBeNull();
  });
});
