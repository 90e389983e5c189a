import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readPolicyOptions } from "../../../relay/cli/policy-options.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";

describe("a policy by flags", () => {
  it.each([
    [{}, null],
    [{ idle: "900" }, { idleS: 900 }],
    [
      { idle: "15m", "max-duration": "8h" },
      { idleS: 900, durationS: 28_800 },
    ],
    [
      { idle: "never", "reconnect-window": "60s" },
      { idleS: null, reconnectWindowS: 60 },
    ],
    [{ "max-duration": "2d" }, { durationS: 172_800 }],
    [{ channels: "main,display" }, { channels: ["main", "display"] }],
    [{ channels: "all" }, { channels: null }],
    [
      { firewall: "observe", "second-viewer": "take-over" },
      { firewall: "observe", secondViewer: "take-over" },
    ],
  ])("reads %j", async (options, value) => {
    expect(await readPolicyOptions(options)).toEqual({ ok: true, value });
  });

  it.each([
    [{ idle: "0" }, "--idle"],
    [{ idle: "soon" }, "--idle"],
    [{ idle: "8d" }, "--idle"],
    [{ "reconnect-window": "never" }, "--reconnect-window"],
    [{ "reconnect-window": "2h" }, "--reconnect-window"],
    [{ "max-duration": "-1" }, "--max-duration"],
    [{ channels: "main,telepathy" }, "--channels"],
    [{ channels: "" }, "--channels"],
    [{ channels: "display,inputs" }, "--channels"],
    [{ firewall: "off" }, "--firewall"],
    [{ "second-viewer": "share" }, "--second-viewer"],
  ])("says which flag is wrong: %j", async (options, flag) => {
    const read = await readPolicyOptions(options);
    expect(read).toMatchObject({ ok: false, error: { exitCode: 2 } });
    expect(read.ok ? "" : read.error.sentence).toContain(flag);
  });
});

describe("a policy from a file", () => {
  it.each([
    ["a list", "[]"],
    ["an unknown rule", '{"colour": "red"}'],
    ["a value out of bounds", '{"durationS": 0}'],
  ])("is refused with the file's name: %s", async (_name, text) => {
    await using folder = await makeTempFolder();
    writeFileSync(folder.file("policy.json"), text);
    const read = await readPolicyOptions({ policy: folder.file("policy.json") });
    expect(read.ok ? "" : read.error.sentence).toContain("policy.json is no policy: ");
  });

  it("is refused as no JSON, and with the rules that there are", async () => {
    await using folder = await makeTempFolder();
    const file = folder.file("policy.json");
    const sentenceOf = async (text: string) => {
      writeFileSync(file, text);
      const read = await readPolicyOptions({ policy: file });
      return read.ok ? "" : read.error.sentence;
    };
    expect(await sentenceOf("# Kerbside")).toBe(`${file} is not JSON.`);
    expect(await sentenceOf('{"colour": "red"}')).toMatch(
      /"colour"\. The rules are channels, firewall, .*durationS\.$/,
    );
  });

  it("that is not there is no success", async () => {
    const read = await readPolicyOptions({ policy: "/nowhere/policy.json" });
    expect(read).toMatchObject({ ok: false, error: { exitCode: 1 } });
  });
});
