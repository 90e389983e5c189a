import { describe, expect, it } from "vitest";
import {
  hashSecretToken,
  isSecretToken,
  newSecretToken,
} from "../../../worker/identity/secret-token.ts";

describe("secret tokens", () => {
  it("have a known prefix and 256 random bits", () => {
    const token = newSecretToken("bearer", (count) => new Uint8Array(count).fill(255));
    expect(token).toBe(`kbt1_${"_".repeat(42)}8`);
    expect(isSecretToken("bearer", token)).toBe(true);
  });

  it("of one kind are not taken for another", () => {
    const token = newSecretToken("consoleFile", (count) => new Uint8Array(count));
    expect(isSecretToken("consoleFile", token)).toBe(true);
    expect(isSecretToken("bearer", token)).toBe(false);
  });

  it.each([
    "",
    "kbt1_",
    `kbt1_${"A".repeat(42)}`,
    `kbt1_${"A".repeat(44)}`,
    `kbt1_${" ".repeat(43)}`,
  ])("are not %j", (text) => {
    expect(isSecretToken("bearer", text)).toBe(false);
  });

  it("are stored as SHA-256 (vector of FIPS 180-2)", async () => {
    expect(await hashSecretToken("abc")).toBe("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
  });

  it("assert that they got as much randomness as they asked for", () => {
    expect(() => newSecretToken("bearer", () => new Uint8Array(31))).toThrow("randomBytes");
  });
});
