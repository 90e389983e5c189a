/** Command lines as people type them, and what is said of wrong ones. */
import { describe, expect, it } from "vitest";
import { joinNegativeNumbers, sayParseError } from "#shared/base/command-line.ts";
import { sayCommand, sayHelp, sayRun } from "../../../relay/program.ts";

describe("a negative number", () => {
  it("is the value of the option before it", () => {
    expect(joinNegativeNumbers(["--workers", "-1", "--deadline", "-5"])).toEqual([
      "--workers=-1",
      "--deadline=-5",
    ]);
  });

  it("is left alone where no option could take it", () => {
    const args = ["-1", "x", "-1", "--a=b", "-1", "--", "-1", "--name", "-x"];
    expect(joinNegativeNumbers(args)).toEqual(args);
  });
});

describe("what Node says of a command line", () => {
  it.each([
    [
      "Option '--w <value>' argument is ambiguous.\nDid you forget",
      "Option '--w <value>' argument missing.",
    ],
    ["Unknown option '--x'. To specify a positional", "Unknown option '--x'."],
    ["Unknown option '--x'", "Unknown option '--x'."],
  ])("is one sentence", (message, sentence) => {
    expect(sayParseError(new Error(message))).toBe(sentence);
  });
});

describe("a command that people are told to type", () => {
  it("is the one file's own, or a checkout's", () => {
    expect(sayRun("/s", true)).toBe("node relay.mjs --state-dir /s");
    expect(sayRun("/s", false)).toBe("npm run relay -- --state-dir /s");
    expect(sayCommand("relay enrol", true)).toBe("node relay.mjs enrol");
    expect(sayCommand("relay enrol", false)).toBe("npx kerbside relay enrol");
    const help = "Usage: kerbside relay drain --state-dir DIR";
    expect(sayHelp("relay drain", help, true)).toBe("Usage: node relay.mjs drain --state-dir DIR");
    expect(sayHelp("relay drain", help, false)).toBe(help);
    expect(sayCommand("join-token create", true)).toBe("npx kerbside join-token create");
  });
});
