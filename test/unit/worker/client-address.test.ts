import { describe, expect, it } from "vitest";
import { CLIENT_ADDRESS_HEADER, withClientAddress } from "../../../worker/client-address.ts";

function addressOf(
  headers: Readonly<Record<string, string>>,
  given: { readonly peer: string | null; readonly proxyHeader: string | null },
): string | null {
  const request = new Request("http://kerbside.test/", { headers });
  return withClientAddress(request, given).headers.get(CLIENT_ADDRESS_HEADER);
}

describe("the client's address on a host without Cloudflare's edge", () => {
  it.each([
    ["192.0.2.7:4711", "192.0.2.7"],
    ["[2001:db8::7]:4711", "2001:db8::7"],
    ["[::ffff:192.0.2.7]:4711", "192.0.2.7"],
    ["unix:", null],
    [null, null],
  ])("is whoever holds the socket: %s", (peer, address) => {
    expect(addressOf({}, { peer, proxyHeader: null })).toBe(address);
  });

  it("is not what the client claims", () => {
    const claims = { [CLIENT_ADDRESS_HEADER]: "203.0.113.1", "X-Forwarded-For": "203.0.113.1" };
    expect(addressOf(claims, { peer: "192.0.2.7:1", proxyHeader: null })).toBe("192.0.2.7");
    expect(addressOf(claims, { peer: null, proxyHeader: null })).toBeNull();
  });

  it.each([
    ["X-Real-IP", "192.0.2.7", "192.0.2.7"],
    ["X-Forwarded-For", "203.0.113.1, 192.0.2.7", "192.0.2.7"],
    ["CF-Connecting-IP", "192.0.2.7", "192.0.2.7"],
    ["X-Forwarded-For", "", null],
  ])("is what the proxy's header says last: %s: %s", (proxyHeader, value, address) => {
    const given = { peer: "127.0.0.1:1", proxyHeader };
    expect(addressOf({ [proxyHeader]: value }, given)).toBe(address);
  });

  it("is unknown when the proxy's header is missing, whatever the client claims", () => {
    const given = { peer: "127.0.0.1:1", proxyHeader: "X-Real-IP" };
    expect(addressOf({ [CLIENT_ADDRESS_HEADER]: "203.0.113.1" }, given)).toBeNull();
  });
});
