/** Changing the key that secrets are sealed with, in batches that may be broken off anywhere. */
import { randomBytes } from "node:crypto";
import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { seal } from "#shared/ticket/seal.ts";
import type { SecretsKeys } from "../../../worker/identity/secrets-keys.ts";
import { consoles } from "../../../worker/repositories/schema/consoles.ts";
import { SEALED_COLUMNS } from "../../../worker/repositories/sealed-columns.ts";
import { createConsole } from "../../../worker/services/consoles.ts";
import type { ServiceContext } from "../../../worker/services/context.ts";
import { unsealSecret } from "../../../worker/services/secrets.ts";
import { countSecrets, reencryptSecrets } from "../../../worker/services/secrets-upkeep.ts";
import { ensureSigningKeys } from "../../../worker/services/signing-keys.ts";
import { type ControlServices, startControlServices } from "../../harness/control-services.ts";
import { recordedEvents } from "../../harness/audit-trail.ts";

const newKey = (id: string) => ({ id, key: Uint8Array.from(randomBytes(32)) });
const withKeys = (context: ServiceContext, ...secretsKeys: SecretsKeys): ServiceContext => ({
  ...context,
  settings: { ...context.settings, secretsKeys },
});

async function addConsoles({ context }: ControlServices, admin: Admin, count: number) {
  const ids: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const created = await createConsole(context, admin, {
      ...{ name: `c${index}`, host: "10.0.0.5", port: 5900, source: "static" },
      password: `secret ${index}`,
    });
    ids.push(created.ok ? created.value.id : "");
  }
  return ids;
}

type Admin = Awaited<ReturnType<ControlServices["makeCaller"]>>;

/** Each begins a batch of its own. */
const COLUMNS = Object.keys(SEALED_COLUMNS).length;

/** All batches, as an operator's loop makes them. */
async function reencryptAll(context: ServiceContext, admin: Admin) {
  const done = { reencrypted: 0, unreadable: new Array<string>(), batches: 0 };
  for (
    let cursor: string | null = null, isFirst = true;
    isFirst || cursor !== null;
    isFirst = false
  ) {
    const batch = await reencryptSecrets(context, admin, cursor);
    if (!batch.ok) {
      throw new Error(batch.error.code);
    }
    done.reencrypted += batch.value.reencrypted;
    done.unreadable.push(...batch.value.unreadable.map(({ rowId }) => rowId));
    done.batches += 1;
    cursor = batch.value.nextCursor;
  }
  return done;
}

async function passwordsOf(context: ServiceContext, ids: readonly string[]) {
  const rows = await context.database.select().from(consoles);
  return await Promise.all(
    ids.map(async (rowId) => {
      const sealed = rows.find(({ id }) => id === rowId)?.sealedPassword ?? "";
      return await unsealSecret(context, { column: "consoles.sealed_password", rowId }, sealed);
    }),
  );
}

describe("sealing again", () => {
  it("goes over every secret in bounded batches; then the older key is not needed any more", async () => {
    await using services = await startControlServices();
    const admin = await services.makeCaller("admin", "admin");
    const ids = await addConsoles(services, admin, 130);
    await ensureSigningKeys(services.context);
    const [older] = services.context.settings.secretsKeys;
    const young = newKey("young");
    const during = withKeys(services.context, young, older);
    const done = await reencryptAll(during, admin);
    expect(done).toEqual({ reencrypted: 132, unreadable: [], batches: COLUMNS + 1 });
    const after = withKeys(services.context, young);
    expect(await passwordsOf(after, ids)).toEqual(ids.map((_id, index) => `secret ${index}`));
    expect(await countSecrets(after)).toEqual({
      currentKeyId: "young",
      counts: [
        { column: "consoles.sealed_password", keyId: "young", count: 130 },
        { column: "signing_keys.sealed_private_key", keyId: "young", count: 2 },
      ],
    });
    expect(await reencryptAll(during, admin)).toMatchObject({ reencrypted: 0, batches: COLUMNS });
    const page = { type: "secrets.reencrypted" };
    const records = await recordedEvents(services.context, page);
    const counts = records.map(({ event }) => ("count" in event.data ? event.data.count : 0));
    expect(counts.toSorted((left, right) => left - right)).toEqual([2, 30, 100]);
  });

  it("may be broken off after any batch and begun anew", async () => {
    await using services = await startControlServices();
    const admin = await services.makeCaller("admin", "admin");
    const ids = await addConsoles(services, admin, 120);
    const [older] = services.context.settings.secretsKeys;
    const young = newKey("young");
    const during = withKeys(services.context, young, older);
    expect(await reencryptSecrets(during, admin, null)).toMatchObject({ ok: true });
    const counted = await countSecrets(during);
    expect(counted.counts.map(({ keyId, count }) => [keyId, count])).toEqual([
      ["test", 20],
      ["young", 100],
    ]);
    // Both kinds are of use meanwhile.
    expect(await passwordsOf(during, ids)).toEqual(ids.map((_id, index) => `secret ${index}`));
    expect(await reencryptAll(during, admin)).toMatchObject({ reencrypted: 20 });
  });

  it("says what it cannot read, leaves that alone, and goes on", async () => {
    await using services = await startControlServices();
    const admin = await services.makeCaller("admin", "admin");
    const [first = "", second = "", third = ""] = await addConsoles(services, admin, 3);
    const { database } = services.context;
    await database.run(
      sql`UPDATE consoles SET sealed_password = (SELECT sealed_password FROM consoles WHERE id = ${first}) WHERE id = ${second}`,
    );
    const [older] = services.context.settings.secretsKeys;
    const during = withKeys(services.context, newKey("young"), older);
    const done = await reencryptAll(during, admin);
    expect(done).toMatchObject({ reencrypted: 2, unreadable: [second] });
    expect(await passwordsOf(during, [first, second, third])).toEqual([
      "secret 0",
      null,
      "secret 2",
    ]);
  });

  it("binds what was sealed before keys had ids to its row", async () => {
    await using services = await startControlServices();
    const admin = await services.makeCaller("admin", "admin");
    const [id = ""] = await addConsoles(services, admin, 1);
    const { context } = services;
    const [{ key }] = context.settings.secretsKeys;
    const unbound = await seal(key, "ancient", context.randomBytes);
    await context.database.run(sql`UPDATE consoles SET sealed_password = ${unbound}`);
    expect((await countSecrets(context)).counts).toEqual([
      { column: "consoles.sealed_password", keyId: "", count: 1 },
    ]);
    expect(await passwordsOf(context, [id])).toEqual(["ancient"]);
    expect(await reencryptAll(context, admin)).toMatchObject({ reencrypted: 1 });
    expect((await countSecrets(context)).counts).toEqual([
      { column: "consoles.sealed_password", keyId: "test", count: 1 },
    ]);
    expect(await passwordsOf(context, [id])).toEqual(["ancient"]);
  });

  it("seals each once when it runs twice at the same time", async () => {
    await using services = await startControlServices();
    const admin = await services.makeCaller("admin", "admin");
    const ids = await addConsoles(services, admin, 20);
    const [older] = services.context.settings.secretsKeys;
    const during = withKeys(services.context, newKey("young"), older);
    const [one, two] = await Promise.all([
      reencryptAll(during, admin),
      reencryptAll(during, admin),
    ]);
    expect(one.reencrypted + two.reencrypted).toBe(20);
    expect(await passwordsOf(during, ids)).toEqual(ids.map((_id, index) => `secret ${index}`));
  });

  it("takes no cursor but its own", async () => {
    await using services = await startControlServices();
    const admin = await services.makeCaller("admin", "admin");
    for (const cursor of ["", "x", "e30", "eyJjb2x1bW4iOiJ1c2Vycy5uYW1lIiwiYWZ0ZXJSb3dJZCI6IiJ9"]) {
      expect(await reencryptSecrets(services.context, admin, cursor)).toMatchObject({
        error: { code: "request.invalid" },
      });
    }
  });
});

describe("the list of sealed columns", () => {
  it("has every column whose name says that it is sealed, with its table's primary key", async () => {
    await using services = await startControlServices();
    const columns = await services.context.database.all<Record<string, string | number>>(sql`
      SELECT tables.name AS "table", columns.name AS "name", columns.pk AS "key"
      FROM sqlite_schema AS tables JOIN pragma_table_info(tables.name) AS columns
      WHERE tables.type = 'table'
    `);
    const sealed = columns.filter(({ name }) => String(name).startsWith("sealed_"));
    const names = sealed.map(({ table, name }) => `${String(table)}.${String(name)}`);
    expect(Object.keys(SEALED_COLUMNS).sort()).toEqual(names.sort());
    for (const [column, listed] of Object.entries(SEALED_COLUMNS)) {
      expect(column).toBe(`${listed.table}.${listed.sealed}`);
      const keys = columns.filter(({ table, key }) => table === listed.table && Number(key) > 0);
      expect(keys.map(({ name }) => name)).toEqual([listed.rowId]);
    }
  });
});
