import { describe, expect, it } from "vitest";

import { type ErrorCode, ERRORS } from "#shared/errors/catalogue.ts";
import { SpiceError, type SpiceErrorCode } from "#shared/spice/errors.ts";

// Fails to compile when the codec invents a code that the catalogue does not have.
const CODES = {
  "link.magic-invalid": true,
  "link.version-mismatch": true,
  "link.malformed": true,
  "message.rate-exceeded": true,
  "message.size-unlawful": true,
  "message.sub-list-unlawful": true,
  "message.type-unknown": true,
  "server.malformed": true,
} as const satisfies Record<SpiceErrorCode, true>;
const inCatalogue: readonly ErrorCode[] = Object.keys(CODES) as SpiceErrorCode[];

describe("SpiceError", () => {
  it("uses only codes of the catalogue", () => {
    expect(inCatalogue.filter((code) => !Object.hasOwn(ERRORS, code))).toEqual([]);
    expect(inCatalogue).toHaveLength(8);
  });

  it("carries its code and numbers, and says them", () => {
    const error = new SpiceError("link.malformed", { offset: 4, needed: 8, available: 2 });
    expect(error).toBeInstanceOf(Error);
    expect(error.code).toBe("link.malformed");
    expect(error.numbers).toEqual({ offset: 4, needed: 8, available: 2 });
    expect(error.message).toBe("link.malformed (offset 4, needed 8, available 2)");
  });

  it("needs no numbers to be readable", () => {
    expect(new SpiceError("server.malformed", {}).message).toBe("server.malformed");
  });
});
