/** Retention: what goes, what stays, and that the rest can be verified all the same. */
import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { makeCheckpoint } from "../../../worker/services/audit-checkpoints.ts";
import { applyRetention } from "../../../worker/services/audit-retention.ts";
import {
  countRows,
  findingsOf,
  storeEvent,
  storeRelayTrail,
  verifyDatabase,
} from "../../harness/audit-trail.ts";
import { startControlServices } from "../../harness/control-services.ts";

const HOUR_MS = 60 * 60_000;
const DAY_MS = 24 * HOUR_MS;

/** A trail whose events are kept for ten days. */
async function startTrail(retentionDays: number | null = 10) {
  const services = await startControlServices();
  const auditRetentionMs = retentionDays === null ? null : retentionDays * DAY_MS;
  const settings = { ...services.context.settings, auditRetentionMs };
  const context = { ...services.context, settings };
  const links = async (writer: string): Promise<number[]> => {
    const rows = await context.database.all<{ seq: number }>(
      sql`SELECT seq FROM audit_events WHERE writer = ${writer} ORDER BY seq`,
    );
    return rows.map(({ seq }) => seq);
  };
  return {
    context,
    links,
    pass: (ms: number) => services.moveClock(ms),
    /** As the clock does it, an hour later. */
    run: async () => {
      services.moveClock(HOUR_MS);
      await makeCheckpoint(context);
      await applyRetention(context);
    },
    [Symbol.asyncDispose]: () => services[Symbol.asyncDispose](),
  };
}

describe("retention", () => {
  it("deletes the beginning of each chain that is old enough, and the rest verifies", async () => {
    await using trail = await startTrail();
    const { context, links, pass, run } = trail;
    await storeRelayTrail(context, "a", 5);
    await storeRelayTrail(context, "b", 2);
    await makeCheckpoint(context);
    pass(5 * DAY_MS);
    await storeRelayTrail(context, "a", 3);
    await makeCheckpoint(context);
    pass(6 * DAY_MS);
    for (let hour = 0; hour < 8; hour += 1) {
      await run();
    }
    expect(await links("relay:a")).toEqual([6, 7, 8]);
    expect(await links("relay:b")).toEqual([]);
    expect(findingsOf(await verifyDatabase(context))).toEqual([]);
    const told = await context.database.all<{ data: string }>(
      sql`SELECT data FROM audit_events WHERE type = 'audit.retention-applied'`,
    );
    expect(told.map(({ data }) => JSON.parse(data))).toEqual([
      { before: "2026-01-01T12:00:00.500Z", checkpoint: 1 },
    ]);
    await storeRelayTrail(context, "b", 1);
    expect(await links("relay:b")).toEqual([3]);
    await run();
    expect(findingsOf(await verifyDatabase(context))).toEqual([]);
  });

  it("deletes nothing before the cut was signed and has been known for a while", async () => {
    await using trail = await startTrail();
    const { context, links, pass, run } = trail;
    await storeRelayTrail(context, "a", 5);
    await makeCheckpoint(context);
    pass(11 * DAY_MS);
    await applyRetention(context);
    expect(await links("relay:a")).toHaveLength(5);
    await run();
    await run();
    expect(await links("relay:a")).toHaveLength(5);
    expect(findingsOf(await verifyDatabase(context))).toEqual([]);
    for (let hour = 0; hour < 6; hour += 1) {
      await run();
    }
    expect(await links("relay:a")).toEqual([]);
  });

  it("shows the same when it runs twice, and at the same time as itself", async () => {
    await using trail = await startTrail();
    const { context, links, pass, run } = trail;
    await storeRelayTrail(context, "a", 450);
    await makeCheckpoint(context);
    pass(11 * DAY_MS);
    await storeRelayTrail(context, "a", 1);
    await Promise.all([makeCheckpoint(context), makeCheckpoint(context)]);
    await makeCheckpoint(context);
    expect(await countRows(context, "audit_checkpoints")).toBeLessThanOrEqual(3);
    pass(7 * HOUR_MS);
    await Promise.all([applyRetention(context), applyRetention(context)]);
    await applyRetention(context);
    expect(await links("relay:a")).toEqual([451]);
    await run();
    expect(findingsOf(await verifyDatabase(context))).toEqual([]);
  });

  it("keeps everything for ever unless the settings say otherwise", async () => {
    await using trail = await startTrail(null);
    const { context, links, pass, run } = trail;
    await storeRelayTrail(context, "a", 5);
    await makeCheckpoint(context);
    pass(4_000 * DAY_MS);
    await run();
    pass(DAY_MS);
    await run();
    expect(await links("relay:a")).toHaveLength(5);
  });

  it("believes the time that is signed, not the table's", async () => {
    await using trail = await startTrail();
    const { context, links, run } = trail;
    await storeRelayTrail(context, "a", 5);
    await makeCheckpoint(context);
    await context.database.run(sql`UPDATE audit_checkpoints SET at_ms = 1`);
    for (let hour = 0; hour < 8; hour += 1) {
      await run();
    }
    expect(await links("relay:a")).toHaveLength(5);
  });

  it("does not hide rows that somebody deleted behind the cut", async () => {
    await using trail = await startTrail();
    const { context, pass, run } = trail;
    await storeRelayTrail(context, "a", 5);
    await makeCheckpoint(context);
    pass(11 * DAY_MS);
    await storeRelayTrail(context, "a", 3);
    await run();
    await context.database.run(
      sql`DELETE FROM audit_events WHERE writer = 'relay:a' AND seq IN (3, 6)`,
    );
    expect(findingsOf(await verifyDatabase(context))).toEqual(["missing relay:a 6-6"]);
  });
});

describe("checkpoints", () => {
  it("are thinned to one a day after two days, and dropped when retention has passed them", async () => {
    await using trail = await startTrail();
    const { context, pass, run } = trail;
    for (let day = 0; day < 14; day += 1) {
      for (const part of [1, 2, 3]) {
        await storeEvent(context, { type: "relay.online", data: { build: `${part}` } }, "a");
        await run();
        pass(7 * HOUR_MS);
      }
    }
    const rows = await context.database.all<{ at_ms: number }>(
      sql`SELECT at_ms FROM audit_checkpoints ORDER BY at_ms`,
    );
    const ages = rows.map((row) => Math.floor((context.nowMs() - row.at_ms) / DAY_MS));
    expect(Math.max(...ages)).toBeLessThanOrEqual(11);
    const older = ages.filter((age) => age > 3);
    expect(new Set(older).size).toBe(older.length);
    expect(ages.filter((age) => age < 2).length).toBeGreaterThanOrEqual(5);
    expect(findingsOf(await verifyDatabase(context))).toEqual([]);
  });
});
