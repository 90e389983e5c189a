/**
 * Values between the wire and SQLite, and arguments put into the order of a statement's parameters.
 * Pure. What the embedded engine would silently change (a NUL in a text, a missing argument) is
 * refused instead.
 */
import { unreachable } from "#shared/base/assert.ts";

import { SqlFailure } from "./sql-failure.ts";

import type { HranaStatement, HranaValue } from "./hrana-protocol.ts";
import type { SqlStatement } from "./sql-text.ts";

/** A value as the native library takes and returns it, with safe integers on. */
export type SqlValue = null | bigint | number | string | Buffer;

/**
 * The arguments by parameter index. @throws {SqlFailure} ARGS_INVALID when one is missing or left
 * over: SQLite itself would bind NULL without a word, hosted libSQL refuses.
 */
export function bindArguments(statement: SqlStatement, given: HranaStatement): SqlValue[] {
  const { parameters } = statement;
  if (given.args.length > parameters.length) {
    throw new SqlFailure(
      "ARGS_INVALID",
      `the statement has ${parameters.length} parameters, but ${given.args.length} values came`,
    );
  }
  const named = new Map(given.named_args.map(({ name, value }) => [bareName(name), value]));
  return parameters.map((name, index) => {
    const value = given.args[index] ?? (name === null ? undefined : named.get(bareName(name)));
    if (value === undefined) {
      throw new SqlFailure("ARGS_INVALID", `no value for parameter ${name ?? index + 1}`);
    }
    return decodeValue(value);
  });
}

/** @throws {SqlFailure} ARGS_INVALID for what SQLite or the engine cannot hold. */
export function decodeValue(value: HranaValue): SqlValue {
  switch (value.type) {
    case "null":
      return null;
    case "integer":
      return decodeInteger(value.value);
    case "float":
      return value.value;
    case "text":
      refuseNul(value.value, "ARGS_INVALID");
      return value.value;
    case "blob":
      return Buffer.from(value.base64, "base64");
    default:
      return unreachable(value);
  }
}

/** @throws {SqlFailure} when JSON cannot carry the value: an infinite float. */
export function encodeValue(value: SqlValue): HranaValue {
  if (value === null) {
    return { type: "null" };
  }
  if (typeof value === "bigint") {
    return { type: "integer", value: String(value) };
  }
  if (typeof value === "string") {
    return { type: "text", value };
  }
  if (typeof value !== "number") {
    return { type: "blob", base64: value.toString("base64") };
  }
  if (!Number.isFinite(value)) {
    throw new SqlFailure("VALUE_INVALID", "an infinite number cannot be sent");
  }
  return { type: "float", value };
}

/** Roughly the bytes that a value takes in the answer; exact enough for a bound. */
export function encodedBytes(value: HranaValue): number {
  switch (value.type) {
    case "null":
      return VALUE_FRAME_BYTES;
    case "float":
      return VALUE_FRAME_BYTES + FLOAT_BYTES_MAX;
    case "blob":
      return VALUE_FRAME_BYTES + value.base64.length;
    case "integer":
    case "text":
      return VALUE_FRAME_BYTES + Buffer.byteLength(value.value);
    default:
      return unreachable(value);
  }
}

/** The engine hands texts to SQLite as C strings: what follows a NUL would be lost. */
export function refuseNul(text: string, code: string): void {
  if (text.includes("\0")) {
    throw new SqlFailure(code, "a text with a NUL character is not served here");
  }
}

function decodeInteger(text: string): bigint {
  const integer = BigInt(text);
  if (integer !== BigInt.asIntN(64, integer)) {
    throw new SqlFailure("ARGS_INVALID", "an integer is wider than 64 bits");
  }
  return integer;
}

function bareName(name: string): string {
  return name.replace(/^[:@$]/, "");
}

/** `{"type":"integer","value":""},` and its like. */
const VALUE_FRAME_BYTES = 30;
const FLOAT_BYTES_MAX = 24;
