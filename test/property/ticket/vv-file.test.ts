import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { parseVvFile, type VvFields, writeVvFile } from "#shared/ticket/vv-file.ts";

/** Text that leans towards what could break out of a line. */
const nasty = fc
  .array(
    fc.oneof(
      fc.constantFrom("\n", "\r", "\\", "\\n", "=", "[", "]", "#", ";", " ", "\t", "\0", "\u2028"),
      fc.constantFrom(
        "\n[virt-viewer]\n",
        "\nhost=evil",
        "\rproxy=x",
        "\ud800",
        "\u0085",
        "é",
        "😀",
      ),
      fc.string({ unit: "binary", maxLength: 5 }),
      fc.string({ unit: "grapheme", maxLength: 5 }),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(""));

const fields: fc.Arbitrary<VvFields> = fc.record(
  {
    host: nasty,
    tlsPort: fc.integer({ min: 1, max: 65_535 }),
    password: nasty,
    ca: nasty,
    hostSubject: nasty,
    title: nasty,
    proxy: nasty,
  },
  { requiredKeys: ["host", "tlsPort", "password", "ca", "hostSubject", "title"] },
);

/** What the format can hold of a text, said in another way than the writer says it. */
function holdable(text: string): string {
  return Array.from(text, (character) => {
    const code = character.codePointAt(0) ?? 0;
    const control = (code < 0x20 && !"\t\n\r".includes(character)) || (code > 0x7e && code < 0xa0);
    const half = code >= 0xd800 && code <= 0xdfff;
    return control || half ? "\uFFFD" : character;
  }).join("");
}

const RUNS = { seed: 20_261_122, numRuns: 1000 };

describe("console files, for any text in any field", () => {
  it("read back as what was written", () => {
    fc.assert(
      fc.property(fields, (given) => {
        const expected = Object.fromEntries(
          Object.entries(given).map(([key, value]) => [
            key,
            typeof value === "string" ? holdable(value) : value,
          ]),
        );
        expect(parseVvFile(writeVvFile(given))).toEqual({ ok: true, value: expected });
      }),
      RUNS,
    );
  });

  it("hold one group, and each key once in its order, whatever the values", () => {
    fc.assert(
      fc.property(fields, (given) => {
        // Read as plainly as can be: any reader of lines sees these and no others.
        const [group, ...lines] = writeVvFile(given)
          .trimEnd()
          .split(/[\n\r\v\f]/);
        expect(group).toBe("[virt-viewer]");
        expect(lines.map((line) => line.slice(0, line.indexOf("=")))).toEqual([
          "type",
          "host",
          "tls-port",
          "password",
          ...(given.ca === "" ? [] : ["ca"]),
          ...(given.hostSubject === "" ? [] : ["host-subject"]),
          "title",
          ...(given.proxy === undefined ? [] : ["proxy"]),
          "secure-channels",
          "delete-this-file",
          "toggle-fullscreen",
          "release-cursor",
          "secure-attention",
        ]);
      }),
      RUNS,
    );
  });

  it("are parsed or refused, never a crash, when any text is given", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          nasty,
          nasty.map((text) => `[virt-viewer]\n${text}`),
        ),
        (text) => {
          expect(typeof parseVvFile(text).ok).toBe("boolean");
        },
      ),
      RUNS,
    );
  });
});
