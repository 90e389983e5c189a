import { describe, expect, it } from "vitest";
import { isDevelopment, judgeTarget } from "../../../worker/services/webhook-targets.ts";

const PUBLIC = { allowPrivate: false, development: false };

describe("an address for a webhook", () => {
  it.each([
    "https://hooks.example.com/a?b=c",
    "https://hooks.example.com:8443/",
    "https://1.1.1.1/",
    "https://172.32.0.1/",
    "https://192.169.0.1/",
    "https://100.63.0.1/",
    "https://[2606:4700:4700::1111]/",
    "https://bücher.example.com/",
  ])("is taken: %s", (url) => {
    expect(judgeTarget(url, PUBLIC)).toEqual({ ok: true, value: new URL(url).href });
  });

  it.each([
    ["hooks.example.com", "must be an absolute URL"],
    [`https://example.com/${"x".repeat(2048)}`, "must be an absolute URL"],
    ["http://hooks.example.com/", "must begin with https://"],
    ["ftp://hooks.example.com/", "must begin with https://"],
    ["http://127.0.0.1/", "must begin with https://"],
    ["https://user:password@hooks.example.com/", "must hold no login; messages are signed instead"],
    ["https://hooks.example.com/#a", "must hold no fragment"],
  ])("is refused: %s", (url, why) => {
    expect(judgeTarget(url, PUBLIC)).toEqual({ ok: false, error: why });
  });

  it.each([
    "localhost",
    "api.localhost",
    "LOCALHOST.",
    "metadata.google.internal",
    "printer.local",
    "router",
    "nas.home.arpa",
    "0.0.0.0",
    "10.1.2.3",
    "127.0.0.1",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.7",
    "192.0.2.1",
    "224.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::a00:1]",
    "[fc00::1]",
    "[fd12:3456::1]",
    "[fe80::1]",
    "[ff02::1]",
    "[2001:db8::1]",
    "[2002:a00:1::]",
    "[2001::1]",
  ])("is refused as private: %s", (host) => {
    expect(judgeTarget(`https://${host}/`, PUBLIC)).toEqual({
      ok: false,
      error: "must not be an address of a private network",
    });
    expect(judgeTarget(`https://${host}/`, { ...PUBLIC, allowPrivate: true }).ok).toBe(true);
  });

  it("is a developer's own machine's only there, also without TLS", () => {
    const rules = { allowPrivate: false, development: isDevelopment("http://127.0.0.1:8787") };
    expect(judgeTarget("http://127.0.0.1:9000/", rules).ok).toBe(true);
    expect(judgeTarget("http://localhost:9000/", rules).ok).toBe(true);
    expect(judgeTarget("http://10.0.0.1/", rules).ok).toBe(false);
    expect(judgeTarget("https://10.0.0.1/", rules).ok).toBe(false);
    expect(isDevelopment("https://kerbside.example")).toBe(false);
  });
});
