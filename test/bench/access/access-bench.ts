/**
 * `npm run bench -- access`: what lists, single answers and changes of access cost with a hundred
 * thousand consoles, ten thousand users and a thousand groups, on the embedded database over HTTP.
 */
import { sql } from "drizzle-orm";
import { changeAccess, grantAccess, revokeAccess } from "../../../worker/services/access-rules.ts";
import { pageConsoles, readConsole } from "../../../worker/services/consoles.ts";
import { pageSessions } from "../../../worker/services/sessions.ts";
import { type AccessScene, makeAccessScene, SCENE } from "./access-scene.ts";

interface Figure {
  readonly runs: number;
  /** Of this process, which is client and database at once: on a busy machine too. */
  readonly cpuMs: number;
  readonly minMs: number;
  readonly p50Ms: number;
}

type Measured = Record<string, Figure>;

/** Prints the figures; `--json` prints one object. */
export async function runAccessBench(args: readonly string[]): Promise<void> {
  await using scene = await makeAccessScene();
  const figures = { ...(await measureReads(scene)), ...(await measureWrites(scene)) };
  if (args.includes("--json")) {
    console.log(JSON.stringify({ scene: SCENE, figures }));
  } else {
    console.table(figures);
  }
}

async function measureReads(scene: AccessScene): Promise<Measured> {
  const { services, admin, person, seesAll, owner, nobody } = scene;
  const { context } = services;
  const figures: Measured = {};
  for (const [who, caller] of Object.entries({ admin, person, seesAll, owner, nobody })) {
    for (const [where, after] of Object.entries(POSITIONS)) {
      figures[`list, ${where}: ${who}`] = await measure(async () => {
        await pageConsoles(context, caller, { filter: {}, after, limit: PAGE_ROWS });
      });
    }
  }
  const filters = {
    "rare tag": { tag: "tag-7" },
    "frequent tag": { tag: "linux" },
    project: { project: "project-7" },
    source: { source: "a" },
    "source and rare tag": { source: "b", tag: "tag-7" },
    "name prefix": { namePrefix: "vm-0500" },
  };
  for (const [who, caller] of Object.entries({ admin, person, seesAll })) {
    for (const [what, filter] of Object.entries(filters)) {
      figures[`list by ${what}: ${who}`] = await measure(async () => {
        await pageConsoles(context, caller, { filter, after: null, limit: PAGE_ROWS });
      });
    }
  }
  for (const [who, caller] of Object.entries({ admin, person, owner })) {
    figures[`one console: ${who}`] = await measure(async (run) => {
      await readConsole(context, caller, consoleId(run * 19));
    });
    figures[`sessions: ${who}`] = await measure(async () => {
      await pageSessions(context, caller, { after: null, limit: PAGE_ROWS });
    });
  }
  return figures;
}

async function measureWrites(scene: AccessScene): Promise<Measured> {
  const { services, admin, person } = scene;
  const { context } = services;
  const subject = { kind: "user", id: person.actorId } as const;
  const figures: Measured = {};
  const measureRule = async (what: string, match: object): Promise<void> => {
    let id = "";
    figures[`new rule, ${what}`] = await measure(async () => {
      const rule = await grantAccess(context, admin, { subject, match, level: "view" });
      id = rule.ok ? rule.value.id : "";
    }, 1);
    figures[`changed level, ${what}`] = await measure(async () => {
      await changeAccess(context, admin, { id, level: "open" });
    }, 1);
    figures[`revoked, ${what}`] = await measure(async () => {
      await revokeAccess(context, admin, id);
    }, 1);
  };
  await measureRule("of a single console", { consoleId: consoleId(5) });
  await measureRule("new scope of 50,000 consoles", { source: "a" });
  await measureRule("new scope of 100 consoles by a tag", { tag: "tag-9" });
  await measureRule("new scope by a pattern that ten match", { name: "*-00001?" });
  await measureRule("scope that others have", {});
  const host = async (value: string, name: ReturnType<typeof sql>): Promise<void> => {
    await context.database.run(sql`INSERT INTO consoles
        (id, source_id, uuid, name, host, port, created_at_ms, project)
      SELECT id, source_id, uuid, ${name}, ${value}, port, 0, project FROM consoles
        WHERE id < printf('con_%022d', ${BULK})
      ON CONFLICT (id) DO UPDATE SET name = excluded.name, host = excluded.host,
        project = excluded.project, deleted_at_ms = excluded.deleted_at_ms`);
  };
  const rounds = async (what: string, run: (round: number) => Promise<void>): Promise<void> => {
    figures[`upsert of ${BULK} consoles, ${what}`] = await measure(run, 5);
  };
  await rounds("nothing of access changed", (round) => host(`h${round}`, sql`name`));
  await rounds("all renamed", (round) => host("h", sql`printf('vm-%d-%s', ${round}, id)`));
  return figures;
}

async function measure(
  run: (round: number) => Promise<void>,
  rounds = READ_ROUNDS,
): Promise<Figure> {
  const wallMs: number[] = [];
  const cpuMs: number[] = [];
  const warmUps = rounds === READ_ROUNDS ? WARM_UP_ROUNDS : 0;
  for (let round = -warmUps; round < rounds; round += 1) {
    const startedMs = performance.now();
    const startedCpu = process.cpuUsage();
    await run(Math.abs(round));
    if (round >= 0) {
      const { user, system } = process.cpuUsage(startedCpu);
      wallMs.push(performance.now() - startedMs);
      cpuMs.push((user + system) / 1000);
    }
  }
  return {
    runs: rounds,
    cpuMs: median(cpuMs),
    minMs: rounded(Math.min(...wallMs)),
    p50Ms: median(wallMs),
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  return rounded(sorted[Math.floor(sorted.length / 2)] ?? 0);
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

function consoleId(number: number): string {
  return `con_${String(number).padStart(22, "0")}`;
}

const PAGE_ROWS = 50;
const POSITIONS = { "first page": null, "deep page": { name: "vm-090000", id: "" } };
const READ_ROUNDS = 40;
const WARM_UP_ROUNDS = 3;
/** What a source's adapter brings at once. */
const BULK = 5_000;
