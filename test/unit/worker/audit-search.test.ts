/** The audit trail, searched: against a plain reading of the same rows. */
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditEvents } from "../../../worker/repositories/schema/audit.ts";
import { type AuditQuery, pageAuditTrail } from "../../../worker/services/audit-trail.ts";
import { type ControlServices, startControlServices } from "../../harness/control-services.ts";

type Row = typeof auditEvents.$inferInsert;

const COUNT = 6_000;
const TYPES = ["session.opened", "session.ended", "ticket.issued", "user.logged-in"];

/** Rows in an order of their own: several of each instant, and rare things among common ones. */
function makeRow(index: number): Row {
  const pick = (modulus: number): number => (index * 7_919 + 13) % modulus;
  return {
    id: `aud_${String(pick(1_000_003)).padStart(7, "0")}`,
    atMs: 1_000 + Math.floor(index / 3),
    type: index === 77 ? "moon.landed" : (TYPES[pick(4)] ?? ""),
    actorKind: "user",
    actorId: `usr_${pick(3)}`,
    address: index % 2 === 0 ? "192.0.2.1" : null,
    requestId: `req_${pick(50)}`,
    consoleId: `con_${pick(20)}`,
    sessionId: index % 1_000 === 5 ? "ses_rare" : `ses_${pick(100)}`,
    relayId: index < 10 ? "rly_old" : "rly_new",
    subjectId: index % 500 === 3 ? "pol_1" : null,
    data: "{}",
  };
}

let services: ControlServices;
const rows: Row[] = Array.from({ length: COUNT }, (_, index) => makeRow(index));

beforeAll(async () => {
  services = await startControlServices();
  for (let start = 0; start < COUNT; start += 500) {
    await services.context.database.insert(auditEvents).values(rows.slice(start, start + 500));
  }
});

afterAll(async () => {
  await services[Symbol.asyncDispose]();
});

/** All pages, as ids; and how many pages there were. */
async function readAll(filter: AuditQuery, limit: number) {
  const ids: string[] = [];
  let pages = 0;
  let after: { atMs: number; id: string } | null = null;
  do {
    const page: Awaited<ReturnType<typeof pageAuditTrail>> = await pageAuditTrail(
      services.context,
      { filter, after, limit },
    );
    expect(page.items.length).toBeLessThanOrEqual(limit);
    ids.push(...page.items.map(({ id }) => id));
    after = page.next;
    pages += 1;
  } while (after !== null);
  return { ids, pages };
}

/** The same by reading everything. */
function plainly(fits: (row: Row) => boolean): string[] {
  return rows
    .filter(fits)
    .sort((left, right) => right.atMs - left.atMs || (left.id < right.id ? 1 : -1))
    .map(({ id }) => id);
}

const CASES: Record<string, readonly [AuditQuery, (row: Row) => boolean]> = {
  everything: [{}, () => true],
  "a session": [{ sessionId: "ses_rare" }, (row) => row.sessionId === "ses_rare"],
  "a console": [{ consoleId: "con_3" }, (row) => row.consoleId === "con_3"],
  "a relay": [{ relayId: "rly_old" }, (row) => row.relayId === "rly_old"],
  "an actor": [{ actorId: "usr_1" }, (row) => row.actorId === "usr_1"],
  "an address": [{ address: "192.0.2.1" }, (row) => row.address === "192.0.2.1"],
  "a request": [{ requestId: "req_7" }, (row) => row.requestId === "req_7"],
  "what it is about": [{ about: "pol_1" }, (row) => row.subjectId === "pol_1"],
  "what it is about, a console": [{ about: "con_3" }, (row) => row.consoleId === "con_3"],
  "a type": [{ types: ["ticket.issued"] }, (row) => row.type === "ticket.issued"],
  "several types": [
    { types: ["ticket.issued", "user.logged-in"] },
    (row) => row.type === "ticket.issued" || row.type === "user.logged-in",
  ],
  "a family of types": [{ types: ["session.*"] }, (row) => row.type.startsWith("session.")],
  "every type": [{ types: ["*"] }, () => true],
  "a type that this build does not know": [
    { types: ["moon.landed"] },
    (row) => row.type === "moon.landed",
  ],
  "a time": [{ fromMs: 1_500, toMs: 1_510 }, (row) => row.atMs >= 1_500 && row.atMs < 1_510],
  "a family of types in a time": [
    { types: ["session.*"], fromMs: 1_500, toMs: 1_600 },
    (row) => row.type.startsWith("session.") && row.atMs >= 1_500 && row.atMs < 1_600,
  ],
  "two things": [
    { consoleId: "con_3", actorId: "usr_1" },
    (row) => row.consoleId === "con_3" && row.actorId === "usr_1",
  ],
  "everything at once": [
    {
      ...{ consoleId: "con_13", actorId: "usr_1", relayId: "rly_new", address: "192.0.2.1" },
      ...{ types: ["session.*"], fromMs: 1_100, toMs: 2_900 },
    },
    (row) =>
      row.consoleId === "con_13" &&
      row.actorId === "usr_1" &&
      row.relayId === "rly_new" &&
      row.address === "192.0.2.1" &&
      row.type.startsWith("session.") &&
      row.atMs >= 1_100 &&
      row.atMs < 2_900,
  ],
  "what never comes together": [
    { relayId: "rly_old", actorId: "usr_1", address: "192.0.2.9" },
    () => false,
  ],
};

describe("the audit trail, searched by", () => {
  it.each(Object.entries(CASES))("%s: has each event once, newest first", async (_name, given) => {
    const [filter, fits] = given;
    const expected = plainly(fits);
    expect((await readAll(filter, 200)).ids).toEqual(expected);
    if (expected.length < 500) {
      expect((await readAll(filter, 7)).ids).toEqual(expected);
    }
  });

  it("a family that does not exist: has nothing", async () => {
    expect(await readAll({ types: ["sun.*"] }, 10)).toEqual({ ids: [], pages: 1 });
  });
});

describe("a combination that hardly anything fits", () => {
  it("costs a page no more than its look ahead, and is found in the end", async () => {
    // Followed by the actor, of whom there are 2,000, and by the relay of 5,990.
    const rare = { actorId: "usr_1", types: ["moon.landed"] };
    const found = await readAll(rare, 10);
    expect(found.ids).toEqual(
      plainly((row) => row.actorId === "usr_1" && row.type === "moon.landed"),
    );
    const nowhere = await readAll({ relayId: "rly_new", types: ["moon.fell"] }, 10);
    expect(nowhere).toEqual({ ids: [], pages: 3 });
  });
});

describe("a stored event that does not belong to this build", () => {
  it("is listed as it is: an unknown type, data of another form, data that is none", async () => {
    const { database } = services.context;
    const strange = [
      ["moon.landed", '{"rover":{"wheels":[6]}}'],
      ["session.ended", '{"reason":"bored","clientBytes":-1}'],
      ["user.logged-in", "not json"],
    ] as const;
    for (const [index, [type, data]] of strange.entries()) {
      await database.run(sql`INSERT INTO audit_events (id, at_ms, type, actor_kind, request_id, data)
        VALUES (${`aud_x${index}`}, ${index}, ${type}, 'robot', 'req_strange', ${data})`);
    }
    const page = await pageAuditTrail(services.context, {
      filter: { requestId: "req_strange" },
      after: null,
      limit: 10,
    });
    expect(page.items.map(({ type, data }) => [type, data]).reverse()).toEqual(strange);
  });
});
