/**
 * Every list of the API, with every filter, and placement, at the size that Kerbside is designed
 * for: full pages, no row twice, and no statement whose work grows with a table, neither with the
 * database's statistics nor without them.
 */
import Database from "libsql";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { LARGE_USERS } from "../../harness/large-rows.ts";
import { findExpensiveSteps } from "../../harness/query-plans.ts";
import { loadWorkerApp } from "../../harness/worker-app.ts";
import { type LargeControl, type LargeUser, startLargeControl } from "./large-control.ts";
import {
  EQUAL_FIELDS,
  FILTER_VALUES,
  type ListOperation,
  listOperations,
  PATH_IDS,
} from "./list-operations.ts";

const OPERATIONS = listOperations(await loadWorkerApp());

let control: LargeControl;

beforeAll(async () => {
  control = await startLargeControl();
}, 300_000);

afterAll(async () => {
  await control[Symbol.asyncDispose]();
}, 60_000);

describe("the large database", () => {
  it("has rows in every table that a list could read", () => {
    const database = new Database(control.file);
    const tables = z
      .array(z.object({ name: z.string() }))
      .parse(database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all());
    const empty = tables
      .map(({ name }) => name)
      .filter((name) => database.prepare(`SELECT 1 FROM "${name}" LIMIT 1`).all().length === 0);
    database.close();
    expect(empty.filter((name) => !OF_NO_LIST.has(name))).toEqual([]);
  });
});

describe("the API's lists", () => {
  it("are known from its description, each filter with values to try", () => {
    expect(OPERATIONS.length).toBeGreaterThanOrEqual(15);
    const untried = OPERATIONS.flatMap((operation) => [
      ...operation.filters
        .filter((name) => valuesOf(operation.path, name).length === 0)
        .map((name) => `${operation.path} ${name}`),
      ...(pathOf(operation).includes("{") ? [operation.path] : []),
    ]);
    expect(untried).toEqual([]);
  });

  it.each(OPERATIONS)(
    "$path gives right pages to everybody",
    async (operation) => {
      const filled = new Set<string>();
      for (const user of Object.keys(LARGE_USERS) as LargeUser[]) {
        for (const query of queriesOf(operation)) {
          const rows = await walk(operation, user, query);
          if (user === "admin" && rows > 0) {
            filled.add(Object.keys(query).join(" and "));
          }
        }
      }
      // Else the filters would be tried with values that no row has.
      const alone = ["", ...operation.filters];
      expect(alone.filter((name) => !filled.has(name))).toEqual([]);
    },
    300_000,
  );
});

describe("a ticket", () => {
  it.each(["admin", "owner", "manyRules", "seesAll"] as const)(
    "is placed among a thousand relays (%s)",
    async (user) => {
      // Each has a right to it by a rule of another kind, and nobody has it open.
      const { status } = await control.ask(user, "POST", "/consoles/con_0/tickets");
      expect(status).toBe(201);
    },
    60_000,
  );
});

describe("what was asked of the large database", () => {
  it("goes through indexes without statistics", async () => {
    await expectIndexed("scans and sorts");
  }, 60_000);

  it("goes through indexes with statistics", async () => {
    const database = new Database(control.file);
    database.exec("ANALYZE");
    database.close();
    await expectIndexed("scans");
  }, 300_000);
});

async function expectIndexed(judged: "scans and sorts" | "scans"): Promise<void> {
  const { statements } = control.heard;
  expect(statements.size).toBeGreaterThan(OPERATIONS.length);
  const database = new Database(control.file);
  try {
    const expensive = await findExpensiveSteps(
      statements,
      async (sql, args) => {
        const rows: unknown = database.prepare(sql).all(args);
        return await Promise.resolve(z.array(z.record(z.string(), z.unknown())).parse(rows));
      },
      judged,
    );
    expect(expensive).toEqual({});
  } finally {
    database.close();
  }
}

type Query = Readonly<Record<string, string>>;

/** No filter, each alone with each value, and each two together. */
function queriesOf({ path, filters }: ListOperation): Query[] {
  const single = filters.flatMap((name) =>
    valuesOf(path, name).map((value) => ({ [name]: value })),
  );
  const pairs = filters.flatMap((first, index) =>
    filters.slice(index + 1).map((second) => ({
      [first]: valuesOf(path, first)[0] ?? "",
      [second]: valuesOf(path, second)[0] ?? "",
    })),
  );
  return [{}, ...single, ...pairs];
}

function valuesOf(path: string, filter: string): readonly string[] {
  return FILTER_VALUES[`${path} ${filter}`] ?? FILTER_VALUES[filter] ?? [];
}

function pathOf({ path }: ListOperation): string {
  return path.replace(/\/(\w+)\/\{id\}/, (whole, of: string) =>
    PATH_IDS[of] === undefined ? whole : `/${of}/${PATH_IDS[of]}`,
  );
}

const pageSchema = z.object({
  items: z.array(z.record(z.string(), z.unknown())),
  nextCursor: z.string().nullable(),
});

/** Reads the first pages of a list, and looks at what they hold. Gives the number of rows. */
async function walk(operation: ListOperation, user: LargeUser, query: Query): Promise<number> {
  const { takesLimit } = operation;
  const isFiltered = Object.keys(query).length > 0;
  // With more filters a list may stop looking before a page is full.
  const isSimple = Object.keys(query).length <= 1;
  const seen = new Set<string>();
  let cursor: string | null = null;
  for (let page = 1; page <= (isFiltered ? 2 : DEEP_PAGES); page += 1) {
    const search = new URLSearchParams({
      ...query,
      ...(takesLimit ? { limit: String(PAGE_ROWS) } : {}),
    });
    if (cursor !== null) {
      search.set("cursor", cursor);
    }
    const about = `${user} ${operation.path}?${search.toString()}`;
    const answer = await control.ask(user, "GET", `${pathOf(operation)}?${search.toString()}`);
    if (user !== "admin" && [403, 404].includes(answer.status)) {
      return 0;
    }
    expect({ about, status: answer.status }).toEqual({ about, status: 200 });
    const { items, nextCursor } = pageSchema.parse(answer.body);
    expect(items.length, about).toBeLessThanOrEqual(takesLimit ? PAGE_ROWS : items.length);
    if (user === "admin" && takesLimit && isSimple && nextCursor !== null) {
      expect(items.length, about).toBe(ROWS_AT_ONCE[operation.path] ?? PAGE_ROWS);
    }
    for (const item of items) {
      const key = typeof item["id"] === "string" ? item["id"] : JSON.stringify(item);
      expect(seen.has(key), `${about}: ${key} twice`).toBe(false);
      seen.add(key);
      expect(fieldsOf(item, query), about).toEqual(expectedOf(item, query));
    }
    cursor = nextCursor;
    if (cursor === null) {
      break;
    }
  }
  return seen.size;
}

/** Of the row, what the filters speak of. */
function fieldsOf(item: Readonly<Record<string, unknown>>, query: Query): unknown[] {
  return EQUAL_FIELDS.filter((name) => name in query && name in item).map((name) => item[name]);
}

function expectedOf(item: Readonly<Record<string, unknown>>, query: Query): unknown[] {
  return EQUAL_FIELDS.filter((name) => name in query && name in item).map((name) => query[name]);
}

/** Few rows, or found by their key alone. */
const OF_NO_LIST = new Set([
  "audit_keyring",
  "authority_keys",
  "idempotency_keys",
  "own_certificates",
  "signing_keys",
  "sqlite_stat1",
  "sqlite_stat4",
]);
const PAGE_ROWS = 50;
/** Where a page holds fewer than a caller may wish for, as the description of the list says. */
const ROWS_AT_ONCE: Readonly<Record<string, number>> = { "/audit/checkpoints": 10 };
const DEEP_PAGES = 8;
