import { describe, expect, it } from "vitest";
import { parseProxyAddress } from "../../../relay/handshake/http-tunnel.ts";

describe("a proxy's address", () => {
  it.each([
    ["http://proxy.example.test:3128", "proxy.example.test", 3128],
    ["http://10.0.0.1:3128/", "10.0.0.1", 3128],
    ["http://[2001:db8::1]:3128", "2001:db8::1", 3128],
    ["http://proxy.example.test", "proxy.example.test", 80],
    ["http://proxy.example.test:80", "proxy.example.test", 80],
  ])("is read from %s", (text, host, port) => {
    expect(parseProxyAddress(text)).toEqual({ host, port, authorization: null });
  });

  it("may hold a user and a password, percent-encoded", () => {
    const decode = (text: string): string => {
      const value = parseProxyAddress(text)?.authorization ?? "";
      return Buffer.from(value.replace(/^Basic /, ""), "base64").toString("utf8");
    };
    expect(decode("http://user:p%40ss%3A@proxy:3128")).toBe("user:p@ss:");
    expect(decode("http://user@proxy:3128")).toBe("user:");
    expect(decode("http://z%C3%BCrich:%20@proxy:3128")).toBe("zürich: ");
  });

  it.each([
    "",
    "proxy:3128",
    "https://proxy:3129",
    "http://proxy:99999",
    "http://proxy:3128/path",
    "http://proxy:3128/?query",
    "http://proxy:3128/#hash",
    "http://%E0%A4%A:x@proxy:3128",
    "http://user:%ff@proxy:3128",
  ])("is none in %j", (text) => {
    expect(parseProxyAddress(text)).toBeNull();
  });
});
