import { describe, expect, it } from "vitest";

import { matchesSubject, parseHostSubject } from "#shared/spice/host-subject.ts";

describe("parseHostSubject", () => {
  it.each([
    ["CN=h", [["CN", "h"]]],
    [
      "C=AU,O=X\\, Y,CN=h",
      [
        ["C", "AU"],
        ["O", "X, Y"],
        ["CN", "h"],
      ],
    ],
    ["O=back\\\\slash", [["O", "back\\slash"]]],
    ["O=ends in \\\\", [["O", "ends in \\"]]],
    ["O=a=b", [["O", "a=b"]]],
    [
      "C=AU, CN= h ",
      [
        ["C", "AU"],
        ["CN", " h "],
      ],
    ],
    ["CN=h,", [["CN", "h"]]],
    ["2.5.4.3=h", [["2.5.4.3", "h"]]],
    ["O=Ünïcode 会社", [["O", "Ünïcode 会社"]]],
  ])("reads %s", (text, entries) => {
    expect(parseHostSubject(text)).toEqual(entries);
  });

  it.each([
    "",
    ",",
    "   ",
    "CN",
    "CN=",
    "=h",
    "C=AU,,CN=h",
    "C=AU,CN=",
    "CN=h\\",
    "CN=h\\x",
    "CN=\\=h",
    "C\\,N=h",
    "CN =h",
    "C N=h",
    "CN=h,,",
    ",CN=h",
  ])("finds %j malformed", (text) => {
    expect(parseHostSubject(text)).toBeNull();
    expect(matchesSubject(text, [["CN", "h"]])).toBe(false);
    expect(matchesSubject(text, [])).toBe(false);
  });
});

describe("matchesSubject", () => {
  const actual = [
    ["C", "AU"],
    ["O", "Example, Inc"],
    ["CN", "hv1.example.test"],
  ] as const;

  it.each([
    "C=AU,O=Example\\, Inc,CN=hv1.example.test",
    "C=au, O=EXAMPLE\\,   inc ,CN=HV1.Example.Test",
    "countryName=AU,organizationName=Example\\, Inc,2.5.4.3=hv1.example.test",
  ])("takes %s", (wanted) => {
    expect(matchesSubject(wanted, actual)).toBe(true);
  });

  it.each([
    ["fewer attributes", "O=Example\\, Inc,CN=hv1.example.test"],
    ["more attributes", "C=AU,O=Example\\, Inc,CN=hv1.example.test,CN=x"],
    ["another order", "O=Example\\, Inc,C=AU,CN=hv1.example.test"],
    ["another type", "C=AU,OU=Example\\, Inc,CN=hv1.example.test"],
    ["a type in another case", "C=AU,O=Example\\, Inc,cn=hv1.example.test"],
    ["another value", "C=AU,O=Example\\, Inc,CN=hv2.example.test"],
    ["a prefix", "C=AU,O=Example\\, Inc,CN=hv1.example"],
    ["a wildcard", "C=AU,O=Example\\, Inc,CN=*"],
    ["an unescaped comma", "C=AU,O=Example, Inc,CN=hv1.example.test"],
  ])("refuses %s", (_name, wanted) => {
    expect(matchesSubject(wanted, actual)).toBe(false);
  });

  it("folds ASCII case only, as certificates are compared", () => {
    expect(matchesSubject("CN=É", [["CN", "é"]])).toBe(false);
    expect(matchesSubject("CN=É", [["CN", "É"]])).toBe(true);
    expect(matchesSubject("CN=k", [["CN", "\u212a"]])).toBe(false); // the Kelvin sign
  });

  it("folds ASCII blanks only, within and at the ends", () => {
    expect(matchesSubject("CN=a b", [["CN", "\t a \n b \r"]])).toBe(true);
    expect(matchesSubject("CN=ab", [["CN", "a b"]])).toBe(false);
    expect(matchesSubject("CN=a b", [["CN", "a\u00a0b"]])).toBe(false);
  });

  it("matches no certificate without a subject", () => {
    expect(matchesSubject("CN=h", [])).toBe(false);
  });
});
