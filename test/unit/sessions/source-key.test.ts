import { describe, expect, it } from "vitest";
import { sourceKey } from "../../../relay/sessions/source-key.ts";

describe("a source", () => {
  it.each([
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:0DB8:0001:0002::9", "2001:db8:1:2::/64"],
    ["2001:db8:1::9", "2001:db8:1:0::/64"],
    ["2001:db8::", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["64:ff9b::192.0.2.1", "64:ff9b:0:0::/64"],
    ["64:ff9b:1:2:3:4:192.0.2.1", "64:ff9b:1:2::/64"],
    ["unknown", "unknown"],
    ["", ""],
  ])("%s is %s", (address, key) => {
    expect(sourceKey(address)).toBe(key);
  });
});
