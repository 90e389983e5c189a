/** What is said of fields that a schema refuses, in the place of zod's own words. Pure. */
import type { z } from "@hono/zod-openapi";
import type { FieldError } from "../services/field-failure.ts";

type Issue = z.core.$ZodRawIssue;

/** The fields that a schema refused; of an object's unknown ones, each by its name. */
export function fieldErrors(error: z.ZodError): FieldError[] {
  const errors = error.issues.flatMap((issue) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => ({
          path: [...issue.path, key.slice(0, KEY_CHARACTERS_MAX)],
          message: "is not known",
        }))
      : [issue],
  );
  return errors.slice(0, FIELD_ERRORS_MAX).map(({ path, message }) => ({
    field: path.map(String).join("."),
    message,
  }));
}

/** Undefined: zod's words will do. A schema's own words come before these. */
export function sayFieldFault(issue: Issue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined ? "is missing" : `must be ${nameType(issue.expected)}`;
    case "invalid_value":
      return sayChoice(issue.values);
    case "invalid_format":
      return FORMATS[issue.format];
    case "invalid_union":
      return Array.isArray(issue.options)
        ? sayChoice(issue.options)
        : "is in none of the forms it may have";
    case "too_small":
      return issue.minimum === 1 && COUNTED[issue.origin] !== undefined
        ? "must not be empty"
        : sayBound(issue, `at least ${issue.minimum}`);
    case "too_big":
      return sayBound(issue, `at most ${issue.maximum}`);
    case "not_multiple_of":
    case "unrecognized_keys":
    case "invalid_key":
    case "invalid_element":
    case "custom":
    default:
      return undefined;
  }
}

function sayChoice(values: readonly unknown[]): string {
  return `must be ${values.length === 1 ? "" : "one of "}${values.map(String).join(", ")}`;
}

function sayBound(issue: { readonly origin: string; readonly inclusive?: boolean }, bound: string) {
  if (issue.inclusive === false) {
    return undefined;
  }
  const counted = COUNTED[issue.origin];
  return counted === undefined ? `must be ${bound}` : `must have ${bound} ${counted}`;
}

function nameType(expected: string): string {
  return TYPES[expected] ?? expected;
}

const TYPES: Partial<Record<string, string>> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  object: "an object",
  array: "a list",
};

/** What a bound of it counts; of anything else it bounds the value. */
const COUNTED: Partial<Record<string, string>> = { string: "characters", array: "entries" };

const FORMATS: Partial<Record<string, string>> = {
  datetime: "must be a time in UTC such as 2026-03-01T12:00:00Z",
  email: "must be an address such as ann@example.org",
  guid: "must be a UUID",
};

/** An answer names at most so many fields: a hostile body must not be echoed at length. */
const FIELD_ERRORS_MAX = 20;
/** The same for the name of a field that is none. Ours are shorter. */
const KEY_CHARACTERS_MAX = 64;
