import { describe, expect, it } from "vitest";
import {
  addressBucket,
  forwardedAddress,
  readAddress,
} from "../../../worker/identity/client-address.ts";

describe("X-Forwarded-For", () => {
  it.each([
    ["198.51.100.7", 1, "198.51.100.7"],
    ["6.6.6.6, 198.51.100.7", 1, "198.51.100.7"],
    ["6.6.6.6, 198.51.100.7, 10.0.0.1", 2, "198.51.100.7"],
    ["6.6.6.6,198.51.100.7,10.0.0.1", 2, "198.51.100.7"],
    // Past the outer proxy: what the inner one saw.
    ["198.51.100.7", 2, "198.51.100.7"],
    ["2001:DB8::1", 1, "2001:db8::1"],
    ["[2001:db8::1]:4711", 1, "2001:db8::1"],
    ["198.51.100.7:4711", 1, "198.51.100.7"],
    ["::ffff:198.51.100.7", 1, "198.51.100.7"],
    [`${"6.6.6.6, ".repeat(1_000)}198.51.100.7`, 1, "198.51.100.7"],
  ])("%.60s behind %d is %s", (header, proxies, address) => {
    expect(forwardedAddress(header, proxies)).toBe(address);
  });

  it.each([undefined, "", ",", "unknown", "198.51.100.7, unknown", "198.51.100.7,", "999.1.1.1"])(
    "tells nothing where it holds no address: %s",
    (header) => {
      expect(forwardedAddress(header, 1)).toBeNull();
    },
  );
});

describe("an address", () => {
  it.each(["192.0.2.1", "255.255.255.255", "0.0.0.0", "2001:db8::1", "::1", "fe80::1:2"])(
    "is %s",
    (text) => {
      expect(readAddress(text)).toBe(text);
    },
  );

  it.each([
    "",
    "256.0.0.1",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.4.",
    "01.2.3.4x",
    "example.com",
    "1::2::3",
    ":",
    "[::1]",
    "fe80::1%eth0",
    "::1/64",
    "a".repeat(65),
  ])("is not %j", (text) => {
    expect(readAddress(text)).toBeNull();
  });
});

describe("the bucket of an address", () => {
  it.each([
    ["192.0.2.1", "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2:ffff::", "2001:db8:1:2::/64"],
    ["2001:0db8:0001:0002::9", "2001:db8:1:2::/64"],
    ["2001:db8:1:3::9", "2001:db8:1:3::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
  ])("of %s is %s", (address, bucket) => {
    expect(addressBucket(address)).toBe(bucket);
  });
});
