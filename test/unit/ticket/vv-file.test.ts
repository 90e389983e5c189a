import { describe, expect, it } from "vitest";

import { AssertionError } from "#shared/base/assert.ts";
import {
  parseVvFile,
  VV_CHARACTERS_MAX,
  type VvFields,
  writeVvFile,
} from "#shared/ticket/vv-file.ts";

const FIELDS: VvFields = {
  host: "relay-1.example.test",
  tlsPort: 5900,
  password: "kst1_abcDEF-_",
  ca: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
  hostSubject: "C=AU,O=X\\, Y,CN=relay-1",
  title: "web-1 (static)",
};

const MINIMAL = ["[virt-viewer]", "type=spice", "host=h", "tls-port=5900", "password=p"];

describe("writeVvFile", () => {
  it("leaves out an authority and a subject that are empty, for clients to go by their own roots", () => {
    const text = writeVvFile({ ...FIELDS, ca: "", hostSubject: "" });
    expect(text).not.toMatch(/^(?:ca|host-subject)=/m);
    expect(parseVvFile(text)).toEqual({ ok: true, value: { ...FIELDS, ca: "", hostSubject: "" } });
  });

  it("writes the file that remote-viewer opens", () => {
    expect(writeVvFile(FIELDS)).toBe(
      [
        "[virt-viewer]",
        "type=spice",
        "host=relay-1.example.test",
        "tls-port=5900",
        "password=kst1_abcDEF-_",
        "ca=-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----\\n",
        "host-subject=C=AU,O=X\\\\, Y,CN=relay-1",
        "title=web-1 (static)",
        "secure-channels=all",
        "delete-this-file=1",
        "toggle-fullscreen=shift+f11",
        "release-cursor=shift+f12",
        "secure-attention=ctrl+alt+end",
        "",
      ].join("\n"),
    );
  });

  it("writes a proxy only when there is one, and never a plain port", () => {
    expect(writeVvFile({ ...FIELDS, proxy: "http://proxy.test:3128" })).toContain(
      "\nproxy=http://proxy.test:3128\n",
    );
    expect(writeVvFile(FIELDS)).not.toMatch(/^(?:proxy|port)=/m);
  });

  it.each([
    ["a line", "web\nproxy=http://evil.test:1", "web\\nproxy=http://evil.test:1"],
    ["a carriage return", "web\rtype=vnc", "web\\rtype=vnc"],
    ["a group", "\n[virt-viewer]\nhost=evil", "\\n[virt-viewer]\\nhost=evil"],
    ["an escape", "a\\nb", "a\\\\nb"],
    ["blanks at the ends", "  a b  ", "\\s\\sa b\\s\\s"],
    ["only blanks", "  ", "\\s\\s"],
    ["tabs", "\ta\t", "\\ta\\t"],
    ["control characters", "a\u0000b\u001b[31m\u007f\u0085\u000b", "a�b�[31m���"],
    ["half a surrogate pair", "a\ud800b", "a�b"],
    ["other scripts", "会社 é 😀 \u2028", "会社 é 😀 \u2028"],
    ["marks of the format", "#a;b=[c]%s", "#a;b=[c]%s"],
  ])("holds %s within the title's line", (_name, title, written) => {
    const lines = writeVvFile({ ...FIELDS, title }).split("\n");
    expect(lines).toContain(`title=${written}`);
    expect(lines).toHaveLength(14);
  });

  it.each([0, 65_536, -1, 1.5, Number.NaN])("treats port %d as a bug", (tlsPort) => {
    expect(() => writeVvFile({ ...FIELDS, tlsPort })).toThrow(AssertionError);
  });
});

describe("parseVvFile", () => {
  it("reads back what was written", () => {
    expect(parseVvFile(writeVvFile(FIELDS))).toEqual({ ok: true, value: FIELDS });
    const proxied = { ...FIELDS, proxy: "http://proxy.test:3128" };
    expect(parseVvFile(writeVvFile(proxied))).toEqual({ ok: true, value: proxied });
  });

  it("reads other programs' files: comments, blanks, line ends, groups, unknown keys", () => {
    const text = [
      "# made by another program",
      "",
      "[ovirt]",
      "host=other.test",
      "odd=\\q",
      "  [virt-viewer]  ",
      "  # indented",
      "type = spice",
      "\thost\t=\t h \t",
      "host[de]=g",
      "tls-port=1",
      "tls-port=5901",
      "password=\\sp\\s",
      "ca=a\\nb",
      "host-subject=O=X\\\\, Y",
      "versions=a\\;b",
      "[other]",
      "host=other.test",
    ].join("\r\n");
    expect(parseVvFile(text)).toEqual({
      ok: true,
      value: {
        host: "h \t",
        tlsPort: 5901,
        password: " p ",
        ca: "a\nb",
        hostSubject: "O=X\\, Y",
        title: "",
      },
    });
  });

  it.each(MINIMAL.slice(1).map((line) => [line.slice(0, line.indexOf("=")), line]))(
    "misses %s",
    (key, line) => {
      const text = MINIMAL.filter((other) => other !== line).join("\n");
      expect(parseVvFile(text)).toEqual({ ok: false, error: { kind: "key-missing", key } });
    },
  );

  it.each([
    ["type", "type=vnc"],
    ["tls-port", "tls-port=0"],
    ["tls-port", "tls-port=65536"],
    ["tls-port", "tls-port=0x10"],
    ["tls-port", "tls-port="],
    ["tls-port", "tls-port=5900 "],
    ["host", "host=a\\q"],
    ["title", "title=ends in \\"],
    ["title", "title=\\\\\\"],
    ["proxy", "proxy=a\\;b"],
  ])("refuses a wrong %s: %s", (key, line) => {
    const text = [...MINIMAL, line].join("\n");
    expect(parseVvFile(text)).toEqual({ ok: false, error: { kind: "value-invalid", key } });
  });

  it.each([
    ["a key before any group", "a=1"],
    ["a line that is no pair", "[virt-viewer]\nnonsense"],
    ["a key without a name", "[virt-viewer]\n=1"],
    ["a group that does not end", "[virt-viewer]\n[bad"],
    ["a group without a name", "[]"],
    ["text after a group", "[g]x"],
    ["a bracket in a key", "[virt-viewer]\na[=1"],
  ])("refuses %s, by its line", (_name, text) => {
    const line = text.split("\n").length;
    expect(parseVvFile(text)).toEqual({ ok: false, error: { kind: "line-malformed", line } });
  });

  it("refuses a text over the cap before it reads it", () => {
    const text = "#".repeat(VV_CHARACTERS_MAX + 1);
    expect(parseVvFile(text)).toMatchObject({ ok: false, error: { kind: "too-long" } });
  });
});
