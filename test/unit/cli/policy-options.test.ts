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
    [{ "sessions-max": "2" }, { sessionsMax: 2 }],
    [{ "sessions-max": "any" }, { sessionsMax: null }],
    [{ "control-loss": "5m" }, { controlLoss: { strict: 300 } }],
    [{ "control-loss": "fail-static" }, { controlLoss: "fail-static" }],
    [
      { clipboard: "to-guest", "file-transfer": "deny", usb: "deny", input: "allow" },
      { clipboard: "to-guest", fileTransfer: "deny", usb: "deny", input: "allow" },
    ],
    [{ hours: "always" }, { allowedHours: null }],
    [
      { hours: "Europe/Zurich mon-tue 07:00-19:00, sat 22:00-02:00" },
      {
        allowedHours: {
          timeZone: "Europe/Zurich",
          windows: [
            { days: ["mon", "tue"], from: "07:00", to: "19:00" },
            { days: ["sat"], from: "22:00", to: "02:00" },
          ],
        },
      },
    ],
    [
      { hours: "UTC sun-mon 00:00-24:00" },
      {
        allowedHours: {
          timeZone: "UTC",
          windows: [{ days: ["sun", "mon"], from: "00:00", to: "24:00" }],
        },
      },
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
    [{ "sessions-max": "0" }, "--sessions-max"],
    [{ "sessions-max": "few" }, "--sessions-max"],
    [{ "control-loss": "10" }, "--control-loss"],
    [{ "control-loss": "never" }, "--control-loss"],
    [{ clipboard: "both" }, "--clipboard"],
    [{ usb: "to-guest" }, "--usb"],
    [{ hours: "mon-fri 07:00-19:00" }, "--hours"],
    [{ hours: "UTC monday 07:00-19:00" }, "--hours"],
    [{ hours: "UTC mon-fri 07:00-19:00," }, "--hours"],
    [{ hours: "Mars/Olympus mon 07:00-19:00" }, "--hours"],
    [{ hours: "UTC mon 7:00-19:00" }, "--hours"],
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
      /"colour"\. The rules are channels, firewall, .*input\.$/,
    );
  });

  it("that is not there is no success", async () => {
    const read = await readPolicyOptions({ policy: "/nowhere/policy.json" });
    expect(read).toMatchObject({ ok: false, error: { exitCode: 1 } });
  });
});
