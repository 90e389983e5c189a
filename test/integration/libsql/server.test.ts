/** The server around the database: who gets in, what is refused, how it starts and stops. */
import { randomBytes } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";

import { createClient } from "@libsql/client/web";
import Database from "libsql";
import { describe, expect, it } from "vitest";

import { DatabaseFileError } from "../../../worker/dev/libsql/database-file.ts";
import {
  BODY_BYTES_MAX,
  BUSY_RETRY_MS,
  START_WAIT_MS_MAX,
  STORED_SQL_COUNT_MAX,
  STREAM_COUNT_MAX,
  STREAM_IDLE_MS_MAX,
  WRITER_WAIT_MS_MAX,
} from "../../../worker/dev/libsql/limits.ts";
import { startLibsqlServer } from "../../../worker/dev/libsql/server.ts";
import { makeFolder, postPipeline, serveDatabase, TOKEN } from "./database-fixture.ts";
import { ManualTimers } from "./manual-timers.ts";

describe("the server's door", () => {
  it.each([
    ["no token", {}],
    ["a wrong token", { authorization: "Bearer wrong" }],
    ["the token with something behind it", { authorization: `Bearer ${TOKEN}x` }],
    ["another scheme", { authorization: `Basic ${TOKEN}` }],
  ])("answers 401 to %s, and runs nothing", async (_name, headers) => {
    const { server, connect } = await serveDatabase();
    const requests = [{ type: "sequence", sql: "CREATE TABLE t (x)" }];
    const { status, body } = await postPipeline(server, { requests }, headers);
    expect([status, body["code"]]).toEqual([401, "UNAUTHORIZED"]);
    await expect(connect().execute("SELECT * FROM t")).rejects.toThrow("no such table");
  });

  it("tells a client with a wrong token so", async () => {
    const { server } = await serveDatabase();
    const client = createClient({ url: server.url, authToken: "wrong" });
    await expect(client.execute("SELECT 1")).rejects.toMatchObject({ code: "UNAUTHORIZED" });
  });

  it("listens on the loopback alone", async () => {
    const { server } = await serveDatabase();
    expect(new URL(server.url).hostname).toBe("127.0.0.1");
  });

  it.each([
    ["no JSON", "{"],
    ["no requests", {}],
    ["an unknown request", { requests: [{ type: "drop_everything" }] }],
    ["an integer that is none", { requests: [execute([{ type: "integer", value: "1e9" }])] }],
    ["a batch without steps", { requests: [{ type: "batch", batch: {} }] }],
  ])("answers 400 to %s", async (_name, body) => {
    const answer = await postPipeline((await serveDatabase()).server, body);
    expect([answer.status, answer.body["code"]]).toEqual([400, "HRANA_INVALID"]);
  });

  it("answers 404 to everything but the pipeline", async () => {
    const { server } = await serveDatabase();
    const headers = { authorization: `Bearer ${TOKEN}` };
    for (const [method, path] of [
      ["GET", "/v2/pipeline"],
      ["POST", "/v3/pipeline"],
    ] as const) {
      const response = await fetch(`${server.url}${path}`, { method, headers });
      expect(response.status).toBe(404);
    }
  });

  it("refuses an integer wider than 64 bits and a text of unknown number", async () => {
    const { server } = await serveDatabase();
    const requests = [
      execute([{ type: "integer", value: "9223372036854775808" }]),
      { type: "execute", stmt: { sql_id: 7 } },
      { type: "close" },
    ];
    const { body } = await postPipeline(server, { requests });
    expect(body["results"]).toMatchObject([
      { error: { code: "ARGS_INVALID" } },
      { error: { code: "SQL_NOT_FOUND" } },
      { type: "ok" },
    ]);
  });

  it("answers 413 to a body over the bound", async () => {
    const { server } = await serveDatabase();
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const sent = request(`${server.url}/v2/pipeline`, {
        method: "POST",
        headers: { authorization: `Bearer ${TOKEN}` },
      });
      sent.once("response", (response) => resolve(response.resume().statusCode));
      sent.once("error", reject);
      sent.write(" ".repeat(BODY_BYTES_MAX + 1));
    });
    expect(status).toBe(413);
  });
});

describe("a stream", () => {
  it("is named by a baton that is good once", async () => {
    const { server } = await serveDatabase();
    const opened = await postPipeline(server, { requests: [{ type: "get_autocommit" }] });
    const { baton } = opened.body;
    const second = await postPipeline(server, { baton, requests: [{ type: "get_autocommit" }] });
    expect(second.status).toBe(200);
    expect(second.body["baton"]).not.toBe(baton);
    const reused = await postPipeline(server, { baton, requests: [{ type: "close" }] });
    expect([reused.status, reused.body["code"]]).toEqual([400, "STREAM_EXPIRED"]);
  });

  it("has no baton after a close, and refuses what follows the close", async () => {
    const { server } = await serveDatabase();
    const requests = [{ type: "close" }, { type: "get_autocommit" }];
    const { body } = await postPipeline(server, { requests });
    expect(body["baton"]).toBeNull();
    expect(body["results"]).toMatchObject([{ type: "ok" }, { error: { code: "STREAM_CLOSED" } }]);
  });

  it("keeps stored texts, up to a bound, until they are closed", async () => {
    const { server } = await serveDatabase();
    const stored = Array.from({ length: STORED_SQL_COUNT_MAX + 1 }, (_text, sqlId) => ({
      type: "store_sql",
      sql_id: sqlId,
      sql: `SELECT ${sqlId} AS x`,
    }));
    const { body } = await postPipeline(server, {
      requests: [
        ...stored,
        { type: "store_sql", sql_id: 5, sql: "SELECT 0" },
        { type: "execute", stmt: { sql_id: 5 } },
        { type: "close_sql", sql_id: 5 },
        { type: "execute", stmt: { sql_id: 5 } },
      ],
    });
    const results = body["results"] as unknown[];
    expect(results[STORED_SQL_COUNT_MAX]).toMatchObject({ error: { code: "SQL_STORE_FULL" } });
    expect(results.slice(STORED_SQL_COUNT_MAX + 1)).toMatchObject([
      { error: { code: "SQL_ID_TAKEN" } },
      { response: { result: { rows: [[{ type: "integer", value: "5" }]] } } },
      { type: "ok" },
      { error: { code: "SQL_NOT_FOUND" } },
    ]);
  });

  it("is one of a bounded number, and expires to make room", async () => {
    const timers = new ManualTimers();
    const { server } = await serveDatabase({ timers });
    const open = { requests: [{ type: "get_autocommit" }] };
    for (let count = 0; count < STREAM_COUNT_MAX; count += 1) {
      expect((await postPipeline(server, open)).status).toBe(200);
    }
    const refused = await postPipeline(server, open);
    expect([refused.status, refused.body["code"]]).toEqual([503, "TOO_MANY_STREAMS"]);
    timers.advance(STREAM_IDLE_MS_MAX);
    expect((await postPipeline(server, open)).status).toBe(200);
  });

  it("whose client went away while it waited does not write later", async () => {
    const timers = new ManualTimers();
    const { server, connect } = await serveDatabase({ timers });
    await connect().execute("CREATE TABLE t (x)");
    const holder = await connect().transaction("write");
    await holder.execute("INSERT INTO t VALUES ('holder')");
    const leaving = new AbortController();
    const left = fetch(`${server.url}/v2/pipeline`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKEN}` },
      body: JSON.stringify({
        requests: [{ type: "execute", stmt: { sql: "INSERT INTO t VALUES ('left')" } }],
      }),
      signal: leaving.signal,
    });
    await timers.untilSet(WRITER_WAIT_MS_MAX);
    leaving.abort();
    await expect(left).rejects.toThrow();
    await timers.untilCleared(WRITER_WAIT_MS_MAX);
    await holder.commit();
    await timers.untilCleared(STREAM_IDLE_MS_MAX);
    const { rows } = await connect().execute("SELECT x FROM t");
    expect(rows.map((row) => row["x"])).toEqual(["holder"]);
  });
});

describe("start and stop", () => {
  it("keeps the data over a restart, moved from the log into the file", async () => {
    const first = await serveDatabase();
    await first.connect().executeMultiple("CREATE TABLE t (x); INSERT INTO t VALUES ('kept');");
    const abandoned = await first.connect().transaction("write");
    await abandoned.execute("INSERT INTO t VALUES ('abandoned')");
    await first.server.close();
    const log = `${first.file}-wal`;
    expect(existsSync(log) ? statSync(log).size : 0).toBe(0);
    const second = await serveDatabase({ file: first.file });
    const { rows } = await second.connect().execute("SELECT x FROM t");
    expect(rows.map((row) => row["x"])).toEqual(["kept"]);
  });

  it("writes ahead into a log and checks foreign keys on every connection", async () => {
    const client = (await serveDatabase()).connect();
    const [journal, keys] = await Promise.all([
      client.execute("PRAGMA journal_mode"),
      client.execute("PRAGMA foreign_keys"),
    ]);
    expect(journal.rows[0]).toMatchObject({ journal_mode: "wal" });
    expect(keys.rows[0]).toMatchObject({ foreign_keys: 1 });
    await client.execute("PRAGMA foreign_keys = OFF");
    const after = await client.execute("PRAGMA foreign_keys");
    expect(after.rows[0]).toMatchObject({ foreign_keys: 1 });
  });

  it("makes a file that only its owner reads", async () => {
    const { file } = await serveDatabase();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it("answers a waiting writer when it closes, and closes once however often it is asked", async () => {
    const timers = new ManualTimers();
    const { server, connect } = await serveDatabase({ timers });
    await connect().execute("CREATE TABLE t (x)");
    const holder = await connect().transaction("write");
    await holder.execute("INSERT INTO t VALUES (1)");
    const waiting = connect().execute("INSERT INTO t VALUES (2)");
    const refused = expect(waiting).rejects.toMatchObject({ code: "SERVER_CLOSING" });
    await timers.untilSet(WRITER_WAIT_MS_MAX);
    await Promise.all([server.close(), server.close()]);
    await refused;
  });

  it("says in one sentence that a file is not a database, and leaves it alone", async () => {
    const file = join(await makeFolder(), "control.db");
    await writeFile(file, "certainly no database".repeat(100));
    await expect(startLibsqlServer({ file, authToken: TOKEN })).rejects.toThrow(
      new DatabaseFileError(
        `${file} is not a database. Move it away, or name another file, and start again.`,
        true,
      ),
    );
    expect(await readFile(file, "utf8")).toContain("certainly no database");
  });

  it("says that a database is damaged", async () => {
    const { file, server, connect } = await serveDatabase();
    await connect().execute("CREATE TABLE t (x)");
    await connect().execute({
      sql: "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT hex(randomblob(20)) FROM n",
      args: [],
    });
    await server.close();
    const bytes = await readFile(file);
    bytes.set(randomBytes(8192), 8192);
    await writeFile(file, bytes);
    const starting = startLibsqlServer({ file, authToken: TOKEN });
    await expect(starting).rejects.toThrow(`The database ${file} is damaged (`);
    await expect(starting).rejects.toBeInstanceOf(DatabaseFileError);
  });

  it("says that a file cannot be opened", async () => {
    const folder = await makeFolder();
    for (const file of [folder, join(folder, "missing", "control.db")]) {
      await expect(startLibsqlServer({ file, authToken: TOKEN })).rejects.toThrow(
        `The database ${file} cannot be opened: `,
      );
    }
  });

  it("says at its deadline that another program has locked the file", async () => {
    const timers = new ManualTimers();
    const file = join(await makeFolder(), "control.db");
    const other = new Database(file);
    other.exec("CREATE TABLE t (x); BEGIN EXCLUSIVE");
    const refused = expect(startLibsqlServer({ file, authToken: TOKEN, timers })).rejects.toThrow(
      `The database ${file} is locked by another program. Stop that program and start again.`,
    );
    await timers.untilSet(BUSY_RETRY_MS);
    timers.advance(START_WAIT_MS_MAX);
    await refused;
    other.close();
  });
});

function execute(args: unknown[]): unknown {
  return { type: "execute", stmt: { sql: "SELECT ?", args } };
}
