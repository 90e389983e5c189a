/** Cutting a text into statements, and what is read from each, without a database. */
import { describe, expect, it } from "vitest";

import { parseSql } from "../../../worker/dev/libsql/sql-text.ts";

function textsOf(sql: string): string[] {
  return parseSql(sql).map((statement) => statement.text);
}

describe("a text of statements", () => {
  it.each([
    ["nothing", "", []],
    ["space, comments and semicolons", " ;; -- a\n /* b; */ ;", []],
    ["two statements", "SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]],
    ["a semicolon in a string", "SELECT 'a;''b;'; x", ["SELECT 'a;''b;'", "x"]],
    ["semicolons in names", 'SELECT ";", `;`, [;]; x', ['SELECT ";", `;`, [;]', "x"]],
    ["a semicolon in a comment", "SELECT 1 -- a; b\n, 2; x", ["SELECT 1 -- a; b\n, 2", "x"]],
    ["a comment that never ends", "SELECT 1; /* x; y", ["SELECT 1"]],
    ["a string that never ends", "SELECT 'x; y", ["SELECT 'x; y"]],
    ["comment marks in a string", "SELECT '--', '/*'; x", ["SELECT '--', '/*'", "x"]],
  ])("is cut right with %s", (_name, sql, texts) => {
    expect(textsOf(sql)).toEqual(texts);
  });

  it.each(["CREATE TRIGGER", "create temp trigger", "CREATE TEMPORARY TRIGGER"])(
    "keeps the body of a trigger together: %s",
    (opening) => {
      const trigger = `${opening} t AFTER INSERT ON a BEGIN
        UPDATE a SET x = CASE x WHEN 1 THEN 2 END; DELETE FROM b; END`;
      expect(textsOf(`${trigger}; SELECT 1;`)).toEqual([trigger, "SELECT 1"]);
    },
  );

  it("is cut in time that grows with its length alone", () => {
    const million = 1_000_000;
    expect(textsOf(`SELECT '${"x''".repeat(million)}'; SELECT 2`)).toHaveLength(2);
    expect(textsOf(`/* ${"*".repeat(million)} */ SELECT 1`)).toEqual(["SELECT 1"]);
  });
});

describe("a statement", () => {
  it.each([
    ["SELECT ?, ?", [null, null]],
    ["SELECT :a, @b, $c, :a, ?", [":a", "@b", "$c", null]],
    ["SELECT ?3, ?, ?1", [null, null, null, null]],
    ["SELECT ':a', \"?\" -- ?\n", []],
    ["SELECT a -> '$.x', b", []],
  ])("lists its parameters as SQLite numbers them: %s", (sql, parameters) => {
    expect(parseSql(sql)[0]?.parameters).toEqual(parameters);
  });

  it.each([
    ["SELECT 1", false],
    ["/* x */ values (1)", false],
    ["BEGIN", false],
    ["BEGIN DEFERRED TRANSACTION", false],
    ["begin immediate", true],
    ["BEGIN EXCLUSIVE", true],
    ["COMMIT", false],
    ["ROLLBACK TO s", false],
    ["WITH x AS (SELECT 1) SELECT * FROM x", false],
    ["WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x", true],
    ["INSERT INTO t VALUES (1)", true],
    ["REPLACE INTO t VALUES (1)", true],
    ["CREATE TABLE t (x)", true],
    ["VACUUM", true],
    ["(unknown)", true],
  ])("may write or not: %s", (sql, mayWrite) => {
    expect(parseSql(sql)[0]?.mayWrite).toBe(mayWrite);
  });
});
