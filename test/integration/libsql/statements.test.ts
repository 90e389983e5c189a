/** Single statements over the wire: values, arguments, results and the errors SQLite has. */
import { eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/libsql/web";
import { blob, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { describe, expect, it } from "vitest";

import { RESPONSE_BYTES_MAX } from "../../../worker/dev/libsql/limits.ts";
import { postPipeline, serveDatabase } from "./database-fixture.ts";

const CREATE_NOTES =
  "CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT UNIQUE NOT NULL, data BLOB)";

describe("a statement", () => {
  it("hands every kind of value through unchanged", async () => {
    const client = (await serveDatabase()).connect("bigint");
    const widest = 9_223_372_036_854_775_807n;
    const bytes = new Uint8Array([0, 255, 10, 0]);
    const { rows } = await client.execute({
      sql: "SELECT ? AS wide, ? AS low, ? AS float, ? AS text, ? AS bytes, ? AS none",
      args: [widest, -widest - 1n, 1.5, "grüße 'x' 🖥", bytes, null],
    });
    expect(rows[0]?.["wide"]).toBe(widest);
    expect(rows[0]?.["low"]).toBe(-widest - 1n);
    expect(rows[0]?.["float"]).toBe(1.5);
    expect(rows[0]?.["text"]).toBe("grüße 'x' 🖥");
    expect(new Uint8Array(rows[0]?.["bytes"] as ArrayBuffer)).toEqual(bytes);
    expect(rows[0]?.["none"]).toBeNull();
  });

  it("takes named arguments with each of the three marks", async () => {
    const client = (await serveDatabase()).connect();
    const { rows } = await client.execute({
      sql: "SELECT :a AS a, @b AS b, $c AS c, :a AS again",
      args: { a: 1, b: "two", c: null },
    });
    expect(rows[0]).toMatchObject({ a: 1, b: "two", c: null, again: 1 });
  });

  it("takes numbered arguments", async () => {
    const client = (await serveDatabase()).connect();
    const { rows } = await client.execute({ sql: "SELECT ?2 AS a, ?1 AS b", args: ["x", "y"] });
    expect(rows[0]).toMatchObject({ a: "y", b: "x" });
  });

  it.each([
    ["a missing value", { sql: "SELECT ?, ?", args: [1] }, "ARGS_INVALID"],
    ["a value too many", { sql: "SELECT ?", args: [1, 2] }, "ARGS_INVALID"],
    ["a missing name", { sql: "SELECT :a", args: { b: 1 } }, "ARGS_INVALID"],
    [
      "a NUL in a text, which the engine would cut",
      { sql: "SELECT ?", args: ["a\0b"] },
      "ARGS_INVALID",
    ],
    ["two statements", { sql: "SELECT 1; SELECT 2", args: [] }, "SQL_MANY_STATEMENTS"],
    ["no statement", { sql: " -- nothing\n ; ", args: [] }, "SQL_NO_STATEMENT"],
    ["a statement SQLite does not know", { sql: "SELEC 1", args: [] }, "SQLITE_ERROR"],
    ["a number JSON cannot carry", { sql: "SELECT 9e999", args: [] }, "VALUE_INVALID"],
  ])("refuses %s", async (_name, statement, code) => {
    const client = (await serveDatabase()).connect();
    await expect(client.execute(statement)).rejects.toMatchObject({ code });
  });

  it("says how many rows changed and the last row's id", async () => {
    const client = (await serveDatabase()).connect();
    await client.execute(CREATE_NOTES);
    const inserted = await client.execute("INSERT INTO notes (title) VALUES ('a'), ('b'), ('c')");
    expect(inserted).toMatchObject({ rowsAffected: 3, lastInsertRowid: 3n });
    expect(await client.execute("SELECT * FROM notes")).toMatchObject({ rowsAffected: 0 });
    const updated = await client.execute("UPDATE notes SET data = x'00' WHERE id > 1");
    expect(updated.rowsAffected).toBe(2);
  });

  it("changes and returns every row with RETURNING, not the first alone", async () => {
    const client = (await serveDatabase()).connect();
    await client.execute(CREATE_NOTES);
    const result = await client.execute(
      "INSERT INTO notes (title) VALUES ('a'), ('b'), ('c') RETURNING id, title",
    );
    expect(result.rows.map((row) => row["title"])).toEqual(["a", "b", "c"]);
    expect(result).toMatchObject({ rowsAffected: 3, lastInsertRowid: 3n });
    const count = await client.execute("SELECT count(*) AS n FROM notes");
    expect(count.rows[0]).toMatchObject({ n: 3 });
  });

  it.each([
    ["INSERT INTO notes (title) VALUES ('taken')", "SQLITE_CONSTRAINT_UNIQUE"],
    ["INSERT INTO notes (id, title) VALUES (1, 'free')", "SQLITE_CONSTRAINT_PRIMARYKEY"],
    ["INSERT INTO notes (title) VALUES (NULL)", "SQLITE_CONSTRAINT_NOTNULL"],
    ["INSERT INTO replies VALUES (99)", "SQLITE_CONSTRAINT_FOREIGNKEY"],
    ["INSERT INTO notes (title) VALUES ('taken') RETURNING id", "SQLITE_CONSTRAINT_UNIQUE"],
  ])("names the broken constraint: %s", async (sql, code) => {
    const client = (await serveDatabase()).connect();
    await client.executeMultiple(`${CREATE_NOTES};
      CREATE TABLE replies (note INTEGER REFERENCES notes (id));
      INSERT INTO notes (title) VALUES ('taken');`);
    await expect(client.execute(sql)).rejects.toMatchObject({ code });
  });

  it("refuses rows that do not fit into one answer, and serves the next statement", async () => {
    const client = (await serveDatabase()).connect();
    const oneMebibyte = 1024 * 1024;
    const rowCount = RESPONSE_BYTES_MAX / oneMebibyte + 1;
    await client.execute("CREATE TABLE t (x)");
    const sql = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
      SELECT hex(zeroblob(${oneMebibyte / 2})) AS x FROM n`;
    await expect(client.execute({ sql, args: [rowCount] })).rejects.toMatchObject({
      code: "RESPONSE_TOO_LARGE",
    });
    await client.batch(["INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)"], "write");
    expect((await client.execute("SELECT * FROM t")).rows).toHaveLength(2);
  });

  it("runs a text of many statements, a trigger among them, up to the first that fails", async () => {
    const client = (await serveDatabase()).connect();
    const script = `
      CREATE TABLE t (x TEXT); -- a comment; with a semicolon
      CREATE TABLE log (x TEXT);
      CREATE TRIGGER t_log AFTER INSERT ON t BEGIN
        INSERT INTO log VALUES (new.x || ';');
        UPDATE log SET x = CASE WHEN x = '' THEN 'none' ELSE x END;
      END;
      /* INSERT INTO t VALUES ('never'); */
      INSERT INTO t VALUES ('it''s; one');
      INSERT INTO missing VALUES (1);
      INSERT INTO t VALUES ('unreached');`;
    await expect(client.executeMultiple(script)).rejects.toThrow("no such table: missing");
    const { rows } = await client.execute("SELECT x FROM log");
    expect(rows.map((row) => row["x"])).toEqual(["it's; one;"]);
  });

  it("is described without being run", async () => {
    const { server, connect } = await serveDatabase();
    await connect().execute(CREATE_NOTES);
    const describing = async (sql: string): Promise<unknown> => {
      const requests = [{ type: "describe", sql }, { type: "close" }];
      return (await postPipeline(server, { requests })).body["results"];
    };
    expect(await describing("SELECT id, title FROM notes WHERE id = :id OR title = ?")).toEqual([
      {
        type: "ok",
        response: {
          type: "describe",
          result: {
            params: [{ name: ":id" }, { name: null }],
            cols: [
              { name: "id", decltype: "INTEGER" },
              { name: "title", decltype: "TEXT" },
            ],
            is_explain: false,
            is_readonly: true,
          },
        },
      },
      { type: "ok", response: { type: "close" } },
    ]);
    await describing("DROP TABLE notes");
    expect((await connect().execute("SELECT * FROM notes")).rows).toEqual([]);
  });
});

describe("drizzle over the server", () => {
  const notes = sqliteTable("notes", {
    id: integer("id").primaryKey(),
    title: text("title").notNull(),
    data: blob("data"),
  });

  it("inserts, returns, selects and rolls a transaction back", async () => {
    const client = (await serveDatabase()).connect();
    await client.execute(CREATE_NOTES);
    const database = drizzle({ client });
    const inserted = await database.insert(notes).values({ title: "a" }).returning();
    expect(inserted).toEqual([{ id: 1, title: "a", data: null }]);
    await expect(
      database.transaction(async (transaction) => {
        await transaction.insert(notes).values({ title: "b" });
        await transaction.insert(notes).values({ title: "a" });
      }),
    ).rejects.toMatchObject({ cause: { code: "SQLITE_CONSTRAINT_UNIQUE" } });
    await database.batch([
      database.insert(notes).values({ title: "c" }),
      database.update(notes).set({ title: "d" }).where(eq(notes.id, 1)),
    ]);
    const titles = await database.select({ title: notes.title }).from(notes).orderBy(notes.id);
    expect(titles.map((row) => row.title)).toEqual(["d", "c"]);
  });
});
