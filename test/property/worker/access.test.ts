/**
 * Access, changed at random in every way there is, stays what the plain reference says: in lists of
 * any page size and filter, in single answers, and whether a ticket is given.
 */
import { sql } from "drizzle-orm";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ACCESS_LEVELS } from "../../../worker/identity/access-level.ts";
import { fromGlob, toGlob } from "../../../worker/identity/name-pattern.ts";
import { permissionsOf } from "../../../worker/identity/permissions.ts";
import type { ConsoleFilter } from "../../../worker/repositories/console-list.ts";
import { sources } from "../../../worker/repositories/schema/consoles.ts";
import { DEFAULT_SITE_ID, sites } from "../../../worker/repositories/schema/sites.ts";
import { judgeConsole } from "../../../worker/services/access.ts";
import { changeAccess, grantAccess, revokeAccess } from "../../../worker/services/access-rules.ts";
import {
  changeConsole,
  createConsole,
  deleteConsole,
  pageConsoles,
  type PagedConsoles,
  readConsole,
} from "../../../worker/services/consoles.ts";
import type { ActingUser } from "../../../worker/services/context.ts";
import { addMember, createGroup, removeMember } from "../../../worker/services/groups.ts";
import { findConsole } from "../../../worker/repositories/consoles.ts";
import {
  grantedTo,
  inListOrder,
  matchesPattern,
  type ReferenceConsole,
  type ReferenceRule,
} from "../../harness/access-reference.ts";
import { type ControlServices, startControlServices } from "../../harness/control-services.ts";
import { valueOf } from "../../harness/value-of.ts";

/** Few of each, so that rules and consoles meet. */
const SOURCES = ["static", "cloud"];
/** By source. */
const SITES: Readonly<Record<string, string>> = { static: DEFAULT_SITE_ID, cloud: "sit_cloud" };
const NAME = fc.constantFrom("a", "ab", "b", "B", "a[", "😀");
const PATTERN = fc.constantFrom("a*", "*b", "?", "a[", "*[*", "B");
const PROJECT = fc.constantFrom("p", "q");
const TAG = fc.constantFrom("s", "t");
const TAGS = fc.subarray(["s", "t"]);
const SOURCE = fc.constantFrom(...SOURCES);
const SITE = fc.constantFrom(...Object.values(SITES));
const LEVEL = fc.constantFrom(...ACCESS_LEVELS);
/** Which of those that there are. */
const INDEX = fc.nat(99);

/** Mostly of one part, which matches many consoles. */
const SCOPE = fc.oneof(
  { weight: 2, arbitrary: fc.record({ tag: TAG }) },
  fc.record({ project: PROJECT }),
  fc.record({ source: SOURCE }),
  fc.record({ name: PATTERN }),
  fc.record({ source: SOURCE, project: PROJECT, tag: TAG, name: PATTERN }, { requiredKeys: [] }),
);

const FILTER: fc.Arbitrary<ConsoleFilter> = fc.oneof(
  fc.record({ tag: TAG }),
  fc.record({ project: PROJECT }),
  fc.record({ source: SOURCE }),
  fc.record({ siteId: SITE }),
  fc.record({ siteId: SITE, namePrefix: NAME }),
  fc.record(
    { source: SOURCE, project: PROJECT, tag: TAG, siteId: SITE, name: NAME, namePrefix: NAME },
    { requiredKeys: [] },
  ),
);

const ADDED = fc.record({
  kind: fc.constant("add console" as const),
  name: NAME,
  source: SOURCE,
  project: fc.option(PROJECT, { nil: undefined }),
  tags: TAGS,
  siteId: fc.option(SITE, { nil: undefined }),
});

const GRANTED = fc.record({
  kind: fc.constant("grant" as const),
  subject: INDEX,
  scope: SCOPE,
  level: LEVEL,
});

const CHANGED = fc.record({
  kind: fc.constant("change console" as const),
  index: INDEX,
  changes: fc.oneof(
    fc.record({ name: NAME }),
    fc.record({ project: fc.option(PROJECT) }),
    fc.record({ tags: TAGS }),
    fc.record({ siteId: fc.option(SITE) }),
  ),
});

const STEP = fc.oneof(
  { weight: 8, arbitrary: CHANGED },
  ADDED,
  GRANTED,
  fc.record({ kind: fc.constant("delete console" as const), index: INDEX }),
  fc.record({
    kind: fc.constant("grant one" as const),
    subject: INDEX,
    index: INDEX,
    level: LEVEL,
  }),
  fc.record({
    kind: fc.constant("change rule" as const),
    index: INDEX,
    scope: SCOPE,
    level: LEVEL,
  }),
  fc.record({ kind: fc.constant("revoke" as const), index: INDEX }),
  fc.record({ kind: fc.constant("join group" as const), group: INDEX, user: INDEX }),
  fc.record({ kind: fc.constant("leave group" as const), group: INDEX, user: INDEX }),
);

type Step = typeof STEP extends fc.Arbitrary<infer Value> ? Value : never;

/** Something to begin with, and then anything. */
const HISTORY = fc
  .tuple(
    fc.array(ADDED, { minLength: 6, maxLength: 6 }),
    fc.array(GRANTED, { minLength: 6, maxLength: 6 }),
    fc.array(STEP, { minLength: 20, maxLength: 20 }),
  )
  .map((parts): Step[] => parts.flat());

/** A control plane with nothing in it but people, and what the reference knows of it. */
class World {
  readonly consoles: ReferenceConsole[] = [];
  readonly rules: (ReferenceRule & { readonly id: string })[] = [];
  readonly members = new Map<string, Set<string>>();
  readonly #services: ControlServices;
  readonly #people: People;

  constructor(services: ControlServices, people: People) {
    this.#services = services;
    this.#people = people;
    for (const group of people.groups) {
      this.members.set(group, new Set());
    }
  }

  async take(step: Step): Promise<void> {
    const { context } = this.#services;
    const { admin, users, groups } = this.#people;
    switch (step.kind) {
      case "add console": {
        const { kind: _kind, ...console } = step;
        const created = await createConsole(context, admin, { ...console, host: "h", port: 1 });
        const id = created.ok ? created.value.id : "";
        const { project = null, siteId = null } = console;
        this.consoles.push({ ...console, id, project, siteId });
        return;
      }
      case "change console": {
        const console = pick(this.consoles, step.index);
        if (console !== undefined) {
          await changeConsole(context, admin, { id: console.id, changes: step.changes });
          replace(this.consoles, console, { ...console, ...step.changes });
        }
        return;
      }
      case "delete console": {
        const console = pick(this.consoles, step.index);
        if (console !== undefined) {
          await deleteConsole(context, admin, console.id);
          replace(this.consoles, console);
          for (const rule of this.rules.filter(({ match }) => match.consoleId === console.id)) {
            replace(this.rules, rule);
          }
        }
        return;
      }
      case "grant":
        await this.#grant(step.subject, step.scope, step.level);
        return;
      case "grant one": {
        const console = pick(this.consoles, step.index);
        if (console !== undefined) {
          await this.#grant(step.subject, { consoleId: console.id }, step.level);
        }
        return;
      }
      case "change rule": {
        const rule = pick(this.rules, step.index);
        if (rule !== undefined) {
          const change = { id: rule.id, match: step.scope, level: step.level };
          const changed = await changeAccess(context, admin, change);
          if (changed.ok) {
            replace(this.rules, rule, { ...rule, match: step.scope, level: step.level });
          }
        }
        return;
      }
      case "revoke": {
        const rule = pick(this.rules, step.index);
        if (rule !== undefined) {
          await revokeAccess(context, admin, rule.id);
          replace(this.rules, rule);
        }
        return;
      }
      case "join group":
      case "leave group": {
        const groupId = pick(groups, step.group) ?? "";
        const userId = pick(users, step.user)?.actorId ?? "";
        if (step.kind === "join group") {
          await addMember(context, admin, { groupId, userId });
          this.members.get(groupId)?.add(userId);
        } else {
          await removeMember(context, admin, { groupId, userId });
          this.members.get(groupId)?.delete(userId);
        }
      }
    }
  }

  async #grant(
    subjectIndex: number,
    match: ReferenceRule["match"],
    level: ReferenceRule["level"],
  ): Promise<void> {
    const subject = pick(this.#people.subjects, subjectIndex) ?? "everyone";
    const kind =
      subject === "everyone" ? "everyone" : subject.startsWith("grp_") ? "group" : "user";
    const granted = await grantAccess(this.#services.context, this.#people.admin, {
      subject: kind === "everyone" ? { kind } : { kind, id: subject },
      match,
      level,
    });
    // A subject has no two rules about the same.
    if (granted.ok) {
      this.rules.push({ id: granted.value.id, subject, match, level });
    }
  }
}

interface People {
  readonly admin: ActingUser;
  readonly users: readonly ActingUser[];
  readonly groups: readonly string[];
  readonly subjects: readonly string[];
}

let services: ControlServices;
let people: People;

beforeAll(async () => {
  services = await startControlServices();
  const { context } = services;
  const admin = await services.makeCaller("admin", "admin");
  const users = [
    await services.makeCaller("one", "user"),
    await services.makeCaller("two", "user"),
  ];
  const groups: string[] = [];
  for (const name of ["first", "second"]) {
    const group = await createGroup(context, admin, { name, description: null });
    groups.push(group.ok ? group.value.id : "");
  }
  const { database } = context;
  await database.insert(sites).values({ id: "sit_cloud", name: "cloud", createdAtMs: 0 });
  const cloud = { name: "cloud", kind: "static", siteId: "sit_cloud" } as const;
  await database.insert(sources).values({ ...cloud, id: "src_cloud", createdAtMs: 0 });
  const subjects = [...users.map(({ actorId }) => actorId), ...groups, "everyone"];
  people = { admin, users, groups, subjects };
});

afterAll(async () => {
  await services[Symbol.asyncDispose]();
});

describe("access", () => {
  it("is what the plain reference says, after any changes, in lists and one by one", async () => {
    const question = fc.record({ filter: FILTER, limit: fc.integer({ min: 1, max: 4 }) });
    await fc.assert(
      fc.asyncProperty(
        HISTORY,
        fc.array(question, { minLength: 3, maxLength: 3 }),
        async (...run) => {
          const [steps, questions] = run;
          await reset();
          const world = new World(services, people);
          for (const step of steps) {
            await world.take(step);
          }
          for (const user of people.users) {
            await compareOneByOne(world, user);
            for (const { filter, limit } of [{ filter: {}, limit: 2 }, ...questions]) {
              await compareLists(world, user, { filter, limit });
            }
          }
        },
      ),
      {
        numRuns: 15,
        plugins: [fc.interruptAfterTimeLimit(60_000, { failOnInterrupt: true })],
      },
    );
  }, 120_000);
});

describe("a pattern of names", () => {
  it("matches in the database what the plain reference says", async () => {
    const unit = fc.constantFrom("a", "B", "[", "]", "^", "-", "*", "?", "é", "😀");
    const pair = fc.record({
      pattern: fc.string({ maxLength: 6, unit }),
      name: fc.string({ maxLength: 5, unit }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(pair, { minLength: 300, maxLength: 300 }), async (pairs) => {
        const asked = JSON.stringify(
          pairs.map(({ pattern, name }) => ({ glob: toGlob(pattern), name })),
        );
        const rows = await services.context.database.all<{ matches: number }>(
          sql`SELECT value ->> 'name' GLOB value ->> 'glob' AS matches FROM json_each(${asked})`,
        );
        expect(rows.map(({ matches }) => matches === 1)).toEqual(
          pairs.map(({ pattern, name }) => matchesPattern(Array.from(pattern), Array.from(name))),
        );
        expect(
          pairs.every(
            ({ pattern }) => fromGlob(toGlob(pattern)) === pattern.replaceAll(/\*+/g, "*"),
          ),
        ).toBe(true);
      }),
      { numRuns: 20 },
    );
  });
});

/** Each console by its id: whether it is there, how far the right goes, whether it would be opened. */
async function compareOneByOne(world: World, user: ActingUser): Promise<void> {
  const { context } = services;
  const found: unknown[] = [];
  for (const { id } of world.consoles) {
    const read = await readConsole(context, user, id);
    const row = await findConsole(context.database, { id, userId: user.actorId });
    found.push([id, read.ok ? read.value.access : null, judgeConsole(user, row, "open").ok]);
  }
  expect(found).toEqual(
    world.consoles.map((console) => {
      const level = grantedTo(world, user.actorId, console);
      return [console.id, level, level === "open" || level === "own"];
    }),
  );
}

/** The pages of the list, as the user sees it, and as somebody who sees all. */
async function compareLists(
  world: World,
  user: ActingUser,
  question: { readonly filter: ConsoleFilter; readonly limit: number },
): Promise<void> {
  const passing = inListOrder(world.consoles.filter((console) => passes(question.filter, console)));
  const granted = passing.map((console) => ({
    id: console.id,
    access: grantedTo(world, user.actorId, console),
  }));
  const limit = question.limit;
  const { permissions } = user;
  const knowsSites: ActingUser = { ...user, permissions: new Set([...permissions, "relays.read"]) };
  expect(await readList(knowsSites, question)).toEqual(
    inPages(
      granted.filter(({ access }) => access !== null),
      limit,
    ),
  );
  const auditor = { ...user, permissions: permissionsOf("auditor") };
  expect(await readList(auditor, question)).toEqual(
    inPages(
      granted.map(({ id }) => ({ id, access: "view" })),
      limit,
    ),
  );
}

async function readList(
  user: ActingUser,
  question: { readonly filter: ConsoleFilter; readonly limit: number },
): Promise<unknown[][]> {
  const pages: unknown[][] = [];
  let after: { name: string; id: string } | null = null;
  do {
    const page: PagedConsoles = valueOf(
      await pageConsoles(services.context, user, { ...question, after }),
    );
    pages.push(page.items.map(({ id, access }) => ({ id, access })));
    after = page.next;
  } while (after !== null);
  return pages;
}

function passes(filter: ConsoleFilter, console: ReferenceConsole): boolean {
  const { name, namePrefix, source, project, tag, siteId } = filter;
  return (
    (name === undefined || console.name === name) &&
    (namePrefix === undefined || console.name.startsWith(namePrefix)) &&
    (source === undefined || console.source === source) &&
    (project === undefined || console.project === project) &&
    (tag === undefined || console.tags.includes(tag)) &&
    (siteId === undefined || (console.siteId ?? SITES[console.source]) === siteId)
  );
}

/** Full pages, and a last one that may be shorter; a list of nothing is one page of nothing. */
function inPages<Item>(items: readonly Item[], limit: number): Item[][] {
  const count = Math.max(1, Math.ceil(items.length / limit));
  return Array.from({ length: count }, (_, index) =>
    items.slice(index * limit, (index + 1) * limit),
  );
}

async function reset(): Promise<void> {
  const { database } = services.context;
  for (const table of ["access_rules", "group_members", "consoles"]) {
    await database.run(`DELETE FROM ${table}`);
  }
  const left = await database.all(
    `SELECT 1 FROM access_scopes UNION ALL SELECT 1 FROM access_scope_consoles
      UNION ALL SELECT 1 FROM console_tags`,
  );
  expect(left).toEqual([]);
}

function pick<Item>(items: readonly Item[], index: number): Item | undefined {
  return items[index % Math.max(1, items.length)];
}

function replace<Item>(items: Item[], item: Item, ...by: Item[]): void {
  items.splice(items.indexOf(item), 1, ...by);
}
