import { describe, expect, it } from "vitest";
import { hashPassword, verifyPassword } from "../../../worker/identity/passwords.ts";

const zeros = (count: number) => new Uint8Array(count);

describe("passwords", () => {
  it("accepts the password that was hashed and no other", async () => {
    const stored = await hashPassword("correct horse", zeros);
    expect(await verifyPassword("correct horse", stored)).toBe(true);
    expect(await verifyPassword("correct horsf", stored)).toBe(false);
    expect(await verifyPassword("", stored)).toBe(false);
  });

  it("stores its parameters and not the password", async () => {
    const stored = await hashPassword("correct horse", zeros);
    expect(stored).toMatch(/^scrypt\$ln=14,r=8,p=5\$[\w-]{22}\$[\w-]{43}$/);
    expect(stored).not.toContain("correct");
  });

  it("uses the parameters of the stored string", async () => {
    // scrypt("pleaseletmein" …) has no vector for these; the weaker cost must give another hash.
    const stored = await hashPassword("correct horse", zeros);
    const weaker = stored.replace("p=5", "p=1");
    expect(await verifyPassword("correct horse", weaker)).toBe(false);
  });

  it("takes the same password however its accents are composed", async () => {
    const stored = await hashPassword("caf\u00e9 caf\u00e9 caf\u00e9", zeros);
    expect(await verifyPassword("cafe\u0301 cafe\u0301 cafe\u0301", stored)).toBe(true);
  });

  it("refuses every password of an unknown user, after the same work", async () => {
    const started = process.cpuUsage();
    expect(await verifyPassword("", null)).toBe(false);
    const spent = process.cpuUsage(started);
    expect(spent.user + spent.system).toBeGreaterThan(10_000);
  });

  it("salts, so that equal passwords are stored differently", async () => {
    const ones = (count: number) => new Uint8Array(count).fill(1);
    expect(await hashPassword("correct horse", zeros)).not.toBe(
      await hashPassword("correct horse", ones),
    );
  });

  it("asserts that what is stored has its form", async () => {
    await expect(verifyPassword("x", "plain text")).rejects.toThrow("form");
  });
});
