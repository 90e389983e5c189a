/** What callers are told of fields that a schema refuses. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { fieldErrors, sayFieldFault } from "../../../worker/routes/field-messages.ts";

z.config({ customError: sayFieldFault });

const schema = z.strictObject({
  name: z.string().min(1).max(4).optional(),
  code: z.string().min(3).optional(),
  port: z.int().min(1).max(9).optional(),
  tags: z.array(z.string()).min(1).max(2).optional(),
  on: z.boolean().optional(),
  level: z.enum(["view", "open"]).optional(),
  kind: z.literal("user").optional(),
  at: z.iso.datetime().optional(),
  email: z.email().optional(),
  uuid: z.guid().optional(),
  loss: z.union([z.literal("static"), z.object({ strict: z.int() })]).optional(),
  inner: z.strictObject({ a: z.int() }).optional(),
  of: z
    .discriminatedUnion("kind", [
      z.object({ kind: z.literal("a") }),
      z.object({ kind: z.literal("b") }),
    ])
    .optional(),
  said: z.string().min(2, "is our own affair").optional(),
  form: z.string().regex(/^x$/, "must be x").optional(),
});

function faultsOf(input: unknown): string[] {
  const parsed = schema.safeParse(input);
  return fieldErrors(parsed.error ?? new z.ZodError([])).map(
    ({ field, message }) => `${field}: ${message}`,
  );
}

describe("a field that a schema refuses", () => {
  it.each<[object, string]>([
    [{ name: 1 }, "name: must be a text"],
    [{ name: null }, "name: must be a text"],
    [{ name: "" }, "name: must not be empty"],
    [{ name: "abcde" }, "name: must have at most 4 characters"],
    [{ code: "ab" }, "code: must have at least 3 characters"],
    [{ port: "1" }, "port: must be a number"],
    [{ port: 1.5 }, "port: must be a whole number"],
    [{ port: 0 }, "port: must be at least 1"],
    [{ port: 10 }, "port: must be at most 9"],
    [{ tags: [] }, "tags: must not be empty"],
    [{ tags: ["a", "b", "c"] }, "tags: must have at most 2 entries"],
    [{ tags: {} }, "tags: must be a list"],
    [{ on: "yes" }, "on: must be true or false"],
    [{ level: "own" }, "level: must be one of view, open"],
    [{ kind: "group" }, "kind: must be user"],
    [{ at: "yesterday" }, "at: must be a time in UTC such as 2026-03-01T12:00:00Z"],
    [{ email: "ann" }, "email: must be an address such as ann@example.org"],
    [{ uuid: "x" }, "uuid: must be a UUID"],
    [{ loss: "maybe" }, "loss: is in none of the forms it may have"],
    [{ inner: {} }, "inner.a: is missing"],
    [{ inner: { a: 1, b: 2 } }, "inner.b: is not known"],
    [{ of: { kind: "c" } }, "of.kind: must be one of a, b"],
    [{ of: {} }, "of.kind: must be one of a, b"],
    [{ said: "x" }, "said: is our own affair"],
    [{ form: "y" }, "form: must be x"],
  ])("%j", (input, fault) => {
    expect(faultsOf(input)).toEqual([fault]);
  });

  it("is named for each one that is not known", () => {
    expect(faultsOf({ a: 1, b: 2 })).toEqual(["a: is not known", "b: is not known"]);
  });

  it("is not named at length", () => {
    expect(faultsOf({ ["x".repeat(65)]: 1 })).toEqual([`${"x".repeat(64)}: is not known`]);
  });

  it("is the whole where that is no object", () => {
    expect(faultsOf([])).toEqual([": must be an object"]);
  });
});
