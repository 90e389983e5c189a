/** Transactions over the wire: what is atomic, who may write, and what an absent client leaves. */
import Database from "libsql";
import { describe, expect, it } from "vitest";

import {
  BUSY_RETRY_MS,
  BUSY_WAIT_MS_MAX,
  STREAM_IDLE_MS_MAX,
  WAITING_WRITER_COUNT_MAX,
  WRITER_WAIT_MS_MAX,
} from "../../../worker/dev/libsql/limits.ts";
import { postPipeline, serveDatabase } from "./database-fixture.ts";
import { ManualTimers } from "./manual-timers.ts";

import type { Client } from "@libsql/client/web";

async function valuesOf(client: Client): Promise<unknown[]> {
  const { rows } = await client.execute("SELECT x FROM t ORDER BY rowid");
  return rows.map((row) => row["x"]);
}

describe("a batch", () => {
  it("leaves nothing when one statement fails", async () => {
    const client = (await serveDatabase()).connect();
    await client.execute("CREATE TABLE t (x UNIQUE)");
    const batch = ["a", "b", "a"].map((x) => ({ sql: "INSERT INTO t VALUES (?)", args: [x] }));
    await expect(client.batch(batch, "write")).rejects.toMatchObject({
      code: "SQLITE_CONSTRAINT_UNIQUE",
      statementIndex: 2,
    });
    expect(await valuesOf(client)).toEqual([]);
    await client.batch(batch.slice(0, 2), "write");
    expect(await valuesOf(client)).toEqual(["a", "b"]);
  });

  it("judges every kind of condition", async () => {
    const { server } = await serveDatabase();
    const ok = { type: "ok", step: 0 };
    const error = { type: "error", step: 1 };
    const conditions = [
      null,
      null,
      ok,
      error,
      { type: "not", cond: ok },
      { type: "and", conds: [ok, { type: "ok", step: 1 }] },
      { type: "or", conds: [{ type: "error", step: 0 }, error] },
      { type: "is_autocommit" },
      { type: "not", cond: { type: "is_autocommit" } },
    ];
    const steps = conditions.map((condition, index) => ({
      condition,
      stmt: { sql: index === 1 ? "SELEC" : "SELECT 1" },
    }));
    const requests = [{ type: "batch", batch: { steps } }, { type: "get_autocommit" }];
    const { body } = await postPipeline(server, { requests });
    const [batch, autocommit] = body["results"] as { response: Record<string, unknown> }[];
    const result = batch?.response["result"] as Record<string, unknown[]>;
    const ran = result["step_results"]?.map((step) => step !== null);
    expect(ran).toEqual([true, false, true, true, false, false, true, true, false]);
    const failed = result["step_errors"]?.map((step) => step !== null);
    expect(failed).toEqual(conditions.map((_condition, index) => index === 1));
    expect(autocommit?.response["is_autocommit"]).toBe(true);
  });

  it("refuses a condition on a step that is not past", async () => {
    const { server } = await serveDatabase();
    const steps = [{ condition: { type: "ok", step: 0 }, stmt: { sql: "SELECT 1" } }];
    const requests = [{ type: "batch", batch: { steps } }];
    const { body } = await postPipeline(server, { requests });
    expect(body["results"]).toMatchObject([
      { type: "error", error: { code: "BATCH_COND_INVALID" } },
    ]);
  });
});

describe("an interactive transaction", () => {
  it("is seen by others only when it commits", async () => {
    const { connect } = await serveDatabase();
    const client = connect();
    await client.execute("CREATE TABLE t (x)");
    const transaction = await client.transaction("write");
    await transaction.execute("INSERT INTO t VALUES (1)");
    expect(await valuesOf(connect())).toEqual([]);
    await transaction.commit();
    expect(await valuesOf(connect())).toEqual([1]);
  });

  it("leaves nothing when it is rolled back, or closed without a word", async () => {
    const client = (await serveDatabase()).connect();
    await client.execute("CREATE TABLE t (x)");
    const rolledBack = await client.transaction("write");
    await rolledBack.execute("INSERT INTO t VALUES (1)");
    await rolledBack.rollback();
    const closed = await client.transaction("write");
    await closed.execute("INSERT INTO t VALUES (2)");
    closed.close();
    await client.execute("INSERT INTO t VALUES (3)");
    expect(await valuesOf(client)).toEqual([3]);
  });

  it("keeps a counter exact under concurrent read-modify-write", async () => {
    const { connect } = await serveDatabase();
    await connect().executeMultiple("CREATE TABLE t (x); INSERT INTO t VALUES (0);");
    const addOne = async (client: Client): Promise<void> => {
      const transaction = await client.transaction("write");
      const { rows } = await transaction.execute("SELECT x FROM t");
      await transaction.execute({ sql: "UPDATE t SET x = ?", args: [Number(rows[0]?.["x"]) + 1] });
      await transaction.commit();
    };
    const clients = Array.from({ length: 12 }, () => connect());
    await Promise.all(clients.flatMap((client) => [1, 2, 3, 4, 5].map(() => addOne(client))));
    expect(await valuesOf(connect())).toEqual([60]);
  });

  it("is rolled back when its client stays away, and the next writer proceeds", async () => {
    const timers = new ManualTimers();
    const { connect } = await serveDatabase({ timers });
    await connect().execute("CREATE TABLE t (x)");
    const abandoned = await connect().transaction("write");
    await abandoned.execute("INSERT INTO t VALUES ('abandoned')");
    const waiting = connect().execute("INSERT INTO t VALUES ('next')");
    await timers.untilSet(WRITER_WAIT_MS_MAX);
    timers.advance(STREAM_IDLE_MS_MAX);
    await waiting;
    await expect(abandoned.commit()).rejects.toMatchObject({ code: "STREAM_EXPIRED" });
    expect(await valuesOf(connect())).toEqual(["next"]);
  });

  it("makes another writer fail at its deadline, not for ever", async () => {
    const timers = new ManualTimers();
    const { connect } = await serveDatabase({ timers });
    await connect().execute("CREATE TABLE t (x)");
    const holder = await connect().transaction("write");
    await holder.execute("INSERT INTO t VALUES ('holder')");
    const waiting = connect().execute("INSERT INTO t VALUES ('waiting')");
    const refused = expect(waiting).rejects.toMatchObject({ code: "SQLITE_BUSY" });
    await timers.untilSet(WRITER_WAIT_MS_MAX);
    for (let passedMs = 0; passedMs < WRITER_WAIT_MS_MAX; passedMs += STREAM_IDLE_MS_MAX / 2) {
      await holder.execute("SELECT 1");
      timers.advance(STREAM_IDLE_MS_MAX / 2);
    }
    await refused;
    await holder.commit();
    expect(await valuesOf(connect())).toEqual(["holder"]);
  });

  it("lets a bounded number of writers wait", async () => {
    const timers = new ManualTimers();
    const { connect, server } = await serveDatabase({ timers });
    await connect().execute("CREATE TABLE t (x)");
    const holder = await connect().transaction("write");
    await holder.execute("INSERT INTO t VALUES ('holder')");
    const requests = [
      { type: "execute", stmt: { sql: "INSERT INTO t VALUES ('waiting')" } },
      { type: "close" },
    ];
    const answers = Array.from({ length: WAITING_WRITER_COUNT_MAX + 1 }, () =>
      postPipeline(server, { requests }),
    );
    const first = await Promise.race(answers);
    expect(first.body["results"]).toMatchObject([{ error: { code: "SQLITE_BUSY" } }, {}]);
    await holder.commit();
    await Promise.all(answers);
    expect(await valuesOf(connect())).toHaveLength(WAITING_WRITER_COUNT_MAX + 1);
  });

  it("that read before another wrote has to be rolled back, and its client can go on", async () => {
    const { connect } = await serveDatabase();
    const client = connect();
    await client.execute("CREATE TABLE t (x)");
    const stale = await client.transaction("deferred");
    await stale.execute("SELECT * FROM t");
    await connect().execute("INSERT INTO t VALUES ('other')");
    await expect(stale.execute("INSERT INTO t VALUES ('stale')")).rejects.toMatchObject({
      code: "SQLITE_BUSY_SNAPSHOT",
    });
    await expect(stale.execute("SELECT * FROM t")).rejects.toMatchObject({ code: "SQLITE_BUSY" });
    await stale.rollback();
    for (const x of ["one", "two", "three"]) {
      await client.batch([{ sql: "INSERT INTO t VALUES (?)", args: [x] }], "write");
    }
    expect(await valuesOf(client)).toEqual(["other", "one", "two", "three"]);
  });
});

describe("a stream that lost the race for the write lock", () => {
  it("writes and commits again after its rollback", async () => {
    const { connect, server } = await serveDatabase();
    await connect().execute("CREATE TABLE t (x)");
    const requestsOf = (...texts: string[]) =>
      texts.map((sql) => ({ type: "execute", stmt: { sql } }));
    const opened = await postPipeline(server, { requests: requestsOf("BEGIN", "SELECT * FROM t") });
    await connect().execute("INSERT INTO t VALUES ('other')");
    const texts = ["INSERT INTO t VALUES ('lost')", "COMMIT", "ROLLBACK"];
    const again = ["BEGIN", "INSERT INTO t VALUES ('again')", "COMMIT"];
    const { body } = await postPipeline(server, {
      baton: opened.body["baton"],
      requests: [...requestsOf(...texts, ...again), { type: "close" }],
    });
    const types = (body["results"] as { type: string }[]).map((result) => result.type);
    expect(types).toEqual(["error", "error", "ok", "ok", "ok", "ok", "ok"]);
    expect(await valuesOf(connect())).toEqual(["other", "again"]);
  });
});

describe("a server whose clients have died", () => {
  it("lets the next writer in at once, and nobody go on with what was open", async () => {
    const { connect, server } = await serveDatabase({ timers: new ManualTimers() });
    const client = connect();
    await client.execute("CREATE TABLE t (x)");
    const abandoned = await client.transaction("write");
    await abandoned.execute("INSERT INTO t VALUES ('abandoned')");
    server.rollBackAbandoned();
    await client.execute("INSERT INTO t VALUES ('next')");
    await expect(abandoned.commit()).rejects.toThrow();
    expect(await valuesOf(client)).toEqual(["next"]);
  });
});

describe("a file that another process has locked", () => {
  it("is tried again until the lock is gone, and the commit afterwards works", async () => {
    const timers = new ManualTimers();
    const { connect, file } = await serveDatabase({ timers });
    const client = connect();
    await client.execute("CREATE TABLE t (x)");
    const other = new Database(file);
    other.exec("BEGIN IMMEDIATE; INSERT INTO t VALUES ('other')");
    const waiting = client.batch(["INSERT INTO t VALUES ('ours')"], "write");
    await timers.untilSet(BUSY_RETRY_MS);
    timers.advance(BUSY_RETRY_MS);
    await timers.untilSet(BUSY_RETRY_MS);
    other.exec("COMMIT");
    other.close();
    timers.advance(BUSY_RETRY_MS);
    await waiting;
    expect(await valuesOf(client)).toEqual(["other", "ours"]);
  });

  it("is SQLITE_BUSY at the deadline, and served again once it is free", async () => {
    const timers = new ManualTimers();
    const { connect, file } = await serveDatabase({ timers });
    const client = connect();
    await client.execute("CREATE TABLE t (x)");
    const other = new Database(file);
    other.exec("BEGIN IMMEDIATE");
    const refused = expect(client.execute("INSERT INTO t VALUES (1)")).rejects.toMatchObject({
      code: "SQLITE_BUSY",
    });
    await timers.untilSet(BUSY_RETRY_MS);
    timers.advance(BUSY_WAIT_MS_MAX);
    await refused;
    other.exec("ROLLBACK");
    other.close();
    await client.batch(["INSERT INTO t VALUES (2)", "INSERT INTO t VALUES (3)"], "write");
    expect(await valuesOf(client)).toEqual([2, 3]);
  });
});
