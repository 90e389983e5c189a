/** What stands behind the one way into the audit trail: chains, and writers that meet. */
import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { newId } from "#shared/base/ids.ts";
import { isUniqueViolation } from "../../../worker/repositories/database-errors.ts";
import { sources } from "../../../worker/repositories/schema/consoles.ts";
import { storeWithAudit } from "../../../worker/repositories/store-with-audit.ts";
import { auditRecord, SYSTEM_CALLER } from "../../../worker/services/audit-record.ts";
import { makeCheckpoint } from "../../../worker/services/audit-checkpoints.ts";
import { chainOlderEvents } from "../../../worker/services/audit-legacy.ts";
import { welcomeRelay } from "../../../worker/services/relay-presence.ts";
import { countRows, findingsOf, storeEvent, verifyDatabase } from "../../harness/audit-trail.ts";
import { type ControlServices, startControlServices } from "../../harness/control-services.ts";

type Context = ControlServices["context"];

/** Makes a source, which has to have another name than all others. */
async function addSource(context: Context, name: string): Promise<void> {
  const id = newId("source", context.randomBytes);
  const event = { type: "source.created", data: { name, kind: "static" } } as const;
  const row = { id, name, kind: "static", createdAtMs: 1 } as const;
  await storeWithAudit(context.database, [auditRecord(context, SYSTEM_CALLER, event)], () => [
    context.database.insert(sources).values(row),
  ]);
}

/** The chains and how long they are. */
async function chains(context: Context): Promise<Record<string, number>> {
  const rows = await context.database.all<{ writer: string; seq: number }>(
    sql`SELECT writer, seq FROM audit_chains`,
  );
  return Object.fromEntries(rows.map(({ writer, seq }) => [writer, seq]));
}

async function isSound(context: Context): Promise<boolean> {
  await makeCheckpoint(context);
  return findingsOf(await verifyDatabase(context)).length === 0;
}

describe("events that are stored", () => {
  it("become links: a relay's in its own chain, others in a shared one", async () => {
    await using services = await startControlServices();
    const { context } = services;
    const relayId = await services.makeRelay("one");
    await addSource(context, "a");
    await addSource(context, "b");
    await welcomeRelay(context, relayId, {
      build: "x",
      channelsMax: 1,
      draining: true,
      enforces: [],
    });
    const { [`relay:${relayId}`]: reported, ...shared } = await chains(context);
    expect(reported).toBe(2);
    expect(Object.keys(shared)).toHaveLength(1);
    expect(await isSound(context)).toBe(true);
  });

  it("are stored each once, with their changes, however many writers meet", async () => {
    await using services = await startControlServices();
    const { context } = services;
    const names = Array.from({ length: 120 }, (_, index) => `source-${index}`);
    await Promise.all(names.map(async (name) => await addSource(context, name)));
    expect(await countRows(context, "sources")).toBe(120);
    expect(await countRows(context, "audit_events")).toBe(120);
    expect(await isSound(context)).toBe(true);
  });

  it("go to where the chain ends now, when another isolate has moved it on", async () => {
    await using services = await startControlServices();
    const { context } = services;
    await addSource(context, "a");
    // As another isolate would, which does not tell this one.
    const [[writer, seq] = ["", 0]] = Object.entries(await chains(context));
    await context.database.run(
      sql`UPDATE audit_chains SET seq = ${seq + 1}, hash = 'elsewhere' WHERE writer = ${writer}`,
    );
    await addSource(context, "b");
    await addSource(context, "c");
    expect(await countRows(context, "sources")).toBe(3);
    expect(await countRows(context, "audit_events")).toBe(3);
  });

  it("wait for a turn when the chains are moved on again and again", async () => {
    await using services = await startControlServices();
    const { context } = services;
    await addSource(context, "a");
    // Whatever a batch saw of a chain is out of date when it arrives.
    const { database } = context;
    let batches = 0;
    const racing: Context["database"] = new Proxy(database, {
      get: (target, property, receiver) =>
        property === "batch"
          ? async (statements: Parameters<typeof database.batch>[0]) => {
              batches += 1;
              await storeEvent(context, { type: "user.logged-out", data: {} });
              await database.run(sql`UPDATE audit_chains SET hash = hash || 'x'`);
              return await database.batch(statements);
            }
          : Reflect.get(target, property, receiver),
    });
    await addSource({ ...context, database: racing }, "b");
    expect(batches).toBeGreaterThan(1);
    expect(await countRows(context, "sources")).toBe(2);
    const rows = await database.all(sql`SELECT id FROM audit_events WHERE type = 'source.created'`);
    expect(rows).toHaveLength(2);
  });
});

describe("a change that is refused", () => {
  it("says so unchanged, stores nothing, and leaves the chains as they were", async () => {
    await using services = await startControlServices();
    const { context } = services;
    await addSource(context, "a");
    const before = await chains(context);
    const failure = await addSource(context, "a").catch((error: unknown) => error);
    expect(isUniqueViolation(failure)).toBe(true);
    expect(await chains(context)).toEqual(before);
    expect(await countRows(context, "audit_events")).toBe(1);
    expect(await isSound(context)).toBe(true);
  });

  it("is never told of a name that is taken when the trail itself was damaged", async () => {
    await using services = await startControlServices();
    const { context } = services;
    await addSource(context, "a");
    await context.database.run(sql`UPDATE audit_chains SET seq = 0, hash = ''`);
    await context.database.run(
      sql`CREATE TRIGGER stuck BEFORE INSERT ON audit_events
        BEGIN SELECT RAISE(ABORT, 'UNIQUE constraint failed: audit_events.writer'); END`,
    );
    const failure = await addSource(context, "b").catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Error);
    expect(isUniqueViolation(failure)).toBe(false);
  });
});

describe("events of a version without chains", () => {
  it("are put into a chain of their own, oldest first, once", async () => {
    await using services = await startControlServices();
    const { context } = services;
    for (let index = 0; index < 450; index += 50) {
      const rows = Array.from({ length: 50 }, (_, offset) => {
        const id = `aud_${index + offset}`;
        return sql`(${id}, ${index}, 'user.logged-out', 'user', '{}')`;
      });
      await context.database.run(
        sql`INSERT INTO audit_events (id, at_ms, type, actor_kind, data)
          VALUES ${sql.join(rows, sql`, `)}`,
      );
    }
    expect((await verifyDatabase(context)).linkCount).toBe(0);
    await Promise.all([chainOlderEvents(context), chainOlderEvents(context)]);
    await chainOlderEvents(context);
    expect(await chains(context)).toEqual({ legacy: 450 });
    const [last] = await context.database.all(sql`SELECT id FROM audit_events WHERE seq = 450`);
    expect(last).toEqual({ id: "aud_449" });
    expect(await isSound(context)).toBe(true);
  });
});
