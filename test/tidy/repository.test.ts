/** The repository's own rules, as tests. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { unstable_readConfig } from "wrangler";
import { z } from "zod";
import {
  COMPATIBILITY_DATE,
  DURABLE_OBJECTS,
  PUBLIC_EGRESS_BINDING,
  WORKER_NAME,
} from "../../worker/deployment.ts";
import { OUTBOUND_CA_FILE } from "../../worker/dev/outbound-certificates.ts";
import { NEEDED_MIGRATION } from "../../worker/repositories/health.ts";
import { settingNames, SETTINGS } from "../../worker/settings.ts";
import { renderAuditEventsPage } from "../runner/audit-events-page.ts";
import { renderApiTypes } from "../runner/api-types.ts";
import { renderErrorsPage } from "../runner/errors-page.ts";
import { renderPermissionsPage } from "../runner/permissions-page.ts";
import { LIVES, OBJECT_TABLES } from "../runner/storage-page/texts.ts";
import { renderStoragePage } from "../runner/storage-page.ts";

const PROJECT_ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const files = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], {
  cwd: PROJECT_ROOT,
  encoding: "utf8",
})
  .split("\n")
  .filter((file) => file !== "" && existsSync(join(PROJECT_ROOT, file)));

const sources = files.filter(
  (file) => /^(shared|relay|worker)\/.*\.(ts|mjs)$/.test(file) && !file.endsWith(".d.ts"),
);

const pages = files.filter((file) => file.endsWith(".md"));

const read = (file: string): string => readFileSync(join(PROJECT_ROOT, file), "utf8");

describe("source files", () => {
  it("are there to be judged", () => {
    expect(sources.length).toBeGreaterThan(80);
  });

  it.each(sources)("%s says first what it is", (file) => {
    expect(read(file)).toMatch(/^(#!.*\n)?\/\*\*/);
  });

  it.each(sources)("%s leaves no work for later in a comment", (file) => {
    expect(read(file)).not.toMatch(/\b(TODO|FIXME|XXX|HACK)\b/);
  });

  it("names nothing of one machine", () => {
    const strays = files
      .filter((file) => /\.(ts|mjs|md|json|toml|sql|sh|py)$/.test(file))
      .filter((file) => file !== "test/tidy/repository.test.ts")
      .filter((file) => /\/work\/|\/root\/|registry\.npmjs\.org/.test(read(file)));
    expect(strays).toEqual([]);
  });
});

describe("the top level", () => {
  it("holds only what was agreed", () => {
    const names = new Set(files.map((file) => file.split("/")[0] ?? ""));
    const agreed = new Set([
      ...["package.json", "package-lock.json", "wrangler.toml", "README.md", "LICENSE"],
      ...["worker", "relay", "shared", "migrations", "test", "docs"],
      ...["tsconfig.base.json", "vitest.config.ts", "knip.json"],
    ]);
    const strays = [...names].filter((name) => !name.startsWith(".") && !agreed.has(name));
    expect(strays).toEqual([]);
  });
});

/** Of wrangler.toml, what the Worker's hosts must agree on. All classes keep their storage in SQLite. */
const deployedSchema = z.looseObject({
  durable_objects: z.object({ bindings: z.array(z.unknown()) }),
  migrations: z.array(z.strictObject({ tag: z.string(), new_sqlite_classes: z.array(z.string()) })),
});

describe("what stands in two places", () => {
  const deployed = deployedSchema.parse(
    unstable_readConfig({ config: join(PROJECT_ROOT, "wrangler.toml") }),
  );

  it("is deployed under the name and with the compatibility date that other hosts use", () => {
    expect(deployed).toMatchObject({
      name: WORKER_NAME,
      compatibility_date: COMPATIBILITY_DATE,
      main: join(PROJECT_ROOT, "worker/index.ts"),
    });
  });

  it("names the newest migration as the one that the Worker needs to be ready", () => {
    const tags = files
      .map((file) => /^migrations\/(\d{4}_\w+)\.sql$/.exec(file)?.[1] ?? "")
      .filter((tag) => tag !== "");
    expect(NEEDED_MIGRATION, "set NEEDED_MIGRATION in worker/repositories/health.ts").toBe(
      tags.sort().at(-1),
    );
  });

  it("has each Durable Object's class with its binding, and a migration that makes it", () => {
    const bindings = DURABLE_OBJECTS.map(({ binding, className }) => ({
      name: binding,
      class_name: className,
    }));
    expect(deployed.durable_objects.bindings).toEqual(bindings);
    const made = deployed.migrations.flatMap((step) => step.new_sqlite_classes);
    expect(made.toSorted()).toEqual(bindings.map((row) => row.class_name).toSorted());
  });

  it("declares in worker/env.ts the objects of worker/deployment.ts, and no setting", () => {
    const fields = [...read("worker/env.ts").matchAll(/^ {2}readonly ([A-Z_]+)\??: (\w+)/gm)];
    const ofType = (wanted: string): unknown[] =>
      fields.filter(([, , type]) => type === wanted).map(([, name]) => name);
    expect(ofType("DurableObjectNamespace")).toEqual(DURABLE_OBJECTS.map((row) => row.binding));
    expect(ofType("Fetcher")).toEqual([PUBLIC_EGRESS_BINDING]);
    expect(ofType("string"), "settings stand in worker/settings.ts").toEqual([]);
  });

  it.each(Object.keys(SETTINGS))("says what %s means in one table of the pages alone", (name) => {
    const told = pages.flatMap((page) =>
      read(page)
        .split("\n")
        .filter((line) => line.startsWith(`| \`${name}\` |`))
        .map(() => page),
    );
    expect(told).toEqual(["docs/operate/configure.md"]);
  });

  it("tells there of what the hosts read themselves", () => {
    expect(read("docs/operate/configure.md")).toContain(`\`${OUTBOUND_CA_FILE}\``);
  });

  // What an operator may choose besides has a default, and the page links to where it is told.
  it.each([...settingNames("host"), ...settingNames("state")])(
    "says in docs/operate/cloudflare.md where %s comes from",
    (name) => {
      expect(read("docs/operate/cloudflare.md")).toMatch(new RegExp(`\\b${name}\\b`));
    },
  );
});

describe("documentation", () => {
  it("numbers each decision once, and lists all in their order", () => {
    const decisions = files.filter((file) => /^docs\/decisions\/\d{4}-/.test(file)).toSorted();
    const numbers = decisions.map((file) =>
      Number(file.slice("docs/decisions/".length).slice(0, 4)),
    );
    expect(new Set(numbers).size).toBe(numbers.length);
    for (const [index, file] of decisions.entries()) {
      expect(read(file)).toMatch(new RegExp(`^# ${numbers[index]}\\. `));
    }
    const listed = [...read("docs/decisions/README.md").matchAll(/^(\d+)\. \[.+\]\((.+)\)$/gm)];
    expect(listed.map(([, number, file]) => [Number(number), `docs/decisions/${file}`])).toEqual(
      decisions.map((file, index) => [numbers[index], file]),
    );
  });

  it("has the errors page as the catalogue makes it", () => {
    expect(read("docs/api/errors.md")).toBe(renderErrorsPage());
  });

  it("has the page of permissions as the closed list makes it", () => {
    expect(read("docs/api/permissions.md")).toBe(renderPermissionsPage());
  });

  it("has the page of audit events as the union makes it", () => {
    expect(read("docs/audit-events.md")).toBe(renderAuditEventsPage());
  });

  it("has the page of what is stored as the schema makes it", async () => {
    expect(read("docs/storage-schema.md")).toBe(await renderStoragePage());
  });

  it("describes there the tables of each Durable Object, and no table that is gone", () => {
    const made = sources
      .filter((file) => /^worker\/(?!dev\/|repositories\/)/.test(file))
      .flatMap((file) => [...read(file).matchAll(/CREATE TABLE IF NOT EXISTS (\w+)/g)])
      .map(([, table]) => String(table));
    expect(OBJECT_TABLES.map(({ table }) => table).toSorted()).toEqual(made.toSorted());
    const page = read("docs/storage-schema.md");
    expect(Object.keys(LIVES).filter((table) => !page.includes(`### ${table}\n`))).toEqual([]);
  });

  it("has the API's types as its description makes them", async () => {
    // To make them anew: npm run docs:client
    expect(read("shared/api/operations.ts")).toBe(await renderApiTypes());
  });

  it.each(pages)("%s links to files that exist", (page) => {
    const targets = [...read(page).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map((match) => match[1] ?? "")
      .filter((target) => !/^[a-z]+:/.test(target));
    const dead = targets.filter((target) => !existsSync(join(PROJECT_ROOT, dirname(page), target)));
    expect(dead).toEqual([]);
  });
});
