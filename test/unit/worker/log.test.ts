import { DrizzleQueryError } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { describeCauses } from "../../../worker/log.ts";
import {
  DatabaseUnavailableError,
  isDatabaseUnavailable,
  isUniqueViolation,
} from "../../../worker/repositories/database-errors.ts";

const sqlError = (code: string, message: string) => Object.assign(new Error(message), { code });

describe("a logged failure", () => {
  it("holds the causes with their codes, outermost first", () => {
    const error = new Error("outer", { cause: sqlError("SQLITE_BUSY", "inner") });
    expect(describeCauses(error)).toMatchObject([
      { name: "Error", message: "outer" },
      { name: "Error", message: "inner", code: "SQLITE_BUSY" },
    ]);
  });

  it("leaves out the parameters of a failed statement", () => {
    const cause = new Error("it failed");
    const error = new DrizzleQueryError("insert into users values (?)", ["my-secret"], cause);
    const text = JSON.stringify(describeCauses(error));
    expect(text).toContain("insert into users");
    expect(text).toContain("it failed");
    expect(text).not.toContain("my-secret");
  });

  it("ends a circle of causes", () => {
    const error = new Error("round");
    error.cause = error;
    expect(describeCauses(error).length).toBeLessThanOrEqual(8);
    expect(isDatabaseUnavailable(error)).toBe(false);
  });

  it("may be no error at all", () => {
    expect(describeCauses("text")).toEqual([{ name: "string" }]);
  });
});

describe("the database's failures", () => {
  it("are told apart through wrapping", () => {
    const unique = sqlError("SQLITE_CONSTRAINT_UNIQUE", "UNIQUE constraint failed: users.username");
    const wrapped = new DrizzleQueryError("insert", [], unique);
    expect(isUniqueViolation(wrapped)).toBe(true);
    expect(isDatabaseUnavailable(wrapped)).toBe(false);
    const away = new DrizzleQueryError("insert", [], new DatabaseUnavailableError("away"));
    expect(isDatabaseUnavailable(away)).toBe(true);
    expect(isUniqueViolation(away)).toBe(false);
  });

  it.each(["SQLITE_BUSY", "SQLITE_BUSY_SNAPSHOT", "STREAM_EXPIRED"])(
    "of code %s pass, so that trying again can help",
    (code) => {
      const busy = new DrizzleQueryError("update", [], sqlError(code, "database is locked"));
      expect(isDatabaseUnavailable(busy)).toBe(true);
      expect(isUniqueViolation(busy)).toBe(false);
    },
  );

  it("of other constraints are no unique violation", () => {
    const check = sqlError("SQLITE_CONSTRAINT_CHECK", "CHECK constraint failed: port");
    expect(isUniqueViolation(check)).toBe(false);
    expect(isUniqueViolation(sqlError("SQLITE_ERROR", "UNIQUE constraint failed"))).toBe(false);
  });
});
