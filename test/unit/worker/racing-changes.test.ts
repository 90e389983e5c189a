/** Two changes of the same thing at once: each is judged by what the other left, and tells so. */
import { describe, expect, it } from "vitest";
import { changeConsole, type ConsoleChanges } from "../../../worker/services/consoles.ts";
import { createSite, deleteSite, patchSite } from "../../../worker/services/sites.ts";
import { changeWebhook, createWebhook, removeWebhook } from "../../../worker/services/webhooks.ts";
import { type SessionsScene, startSessionsScene } from "../../harness/sessions-scene.ts";

/** The data of the events of a type, in the order of the trail. */
async function readTold({ services }: SessionsScene, type: string): Promise<unknown[]> {
  const rows = await services.query(
    "SELECT data FROM audit_events WHERE type = ? ORDER BY position",
    [type],
  );
  return rows.map(({ data }) => JSON.parse(String(data)) as unknown);
}

describe("two changes of a console at once", () => {
  async function changeBoth(
    { context, admin }: SessionsScene,
    id: string,
    both: readonly [ConsoleChanges, ConsoleChanges],
  ) {
    return await Promise.all(
      both.map(async (changes) => await changeConsole(context, admin, { id, changes })),
    );
  }

  it("are told one after the other: the second begins with what the first left", async () => {
    await using scene = await startSessionsScene();
    const id = await scene.makeConsole("a");
    const changed = await changeBoth(scene, id, [{ name: "b" }, { name: "c" }]);
    expect(changed.map(({ ok }) => ok)).toEqual([true, true]);
    const told = (await readTold(scene, "console.updated")) as {
      changes: { before: string; after: string }[];
    }[];
    const [first, second] = told.map(({ changes }) => changes[0]);
    expect(first?.before).toBe('"a"');
    expect(second?.before).toBe(first?.after);
    const rows = await scene.services.query("SELECT name FROM consoles");
    expect(JSON.stringify(rows[0]?.["name"])).toBe(second?.after);
  });

  it("do not together take both ports away: the second is refused", async () => {
    await using scene = await startSessionsScene();
    const id = await scene.makeConsole("a");
    await changeConsole(scene.context, scene.admin, { id, changes: { tlsPort: 5901 } });
    const changed = await changeBoth(scene, id, [{ port: null }, { tlsPort: null }]);
    const codes = changed.map((each) => (each.ok ? "changed" : each.error.code));
    expect(codes.toSorted()).toEqual(["changed", "request.invalid"]);
  });
});

describe("two changes of a site at once", () => {
  it("keep each other's fields, and are told one after the other", async () => {
    await using scene = await startSessionsScene();
    const { context, admin, services } = scene;
    const id = await makeSite(scene);
    const patches = [{ name: "there" }, { description: "far away" }];
    await Promise.all(patches.map(async (patch) => await patchSite(context, admin, { id, patch })));
    const row = { name: "there", description: "far away" };
    expect(await services.query("SELECT name, description FROM sites WHERE id = ?", [id])).toEqual([
      row,
    ]);
    const told = await readTold(scene, "site.changed");
    expect(told[1]).toMatchObject({ before: (told[0] as { after: object }).after, after: row });
  });

  it("delete it once: who comes second is told that there is none", async () => {
    await using scene = await startSessionsScene();
    const { context, admin } = scene;
    const id = await makeSite(scene);
    const both = [1, 2].map(async () => await deleteSite(context, admin, id));
    const codes = (await Promise.all(both)).map((each) => (each.ok ? "deleted" : each.error.code));
    expect(codes.toSorted()).toEqual(["deleted", "resource.not-found"]);
    expect(await readTold(scene, "site.deleted")).toHaveLength(1);
  });

  async function makeSite({ context, admin }: SessionsScene): Promise<string> {
    const made = await createSite(context, admin, {
      name: "here",
      description: "",
      fallbackIds: [],
    });
    return made.ok ? made.value.id : "";
  }
});

describe("two changes of a webhook at once", () => {
  it("are told one after the other, and enable it once", async () => {
    await using scene = await startSessionsScene();
    const { context, admin } = scene;
    const id = await makeWebhook(scene);
    await changeWebhook(context, admin, id, { enabled: false });
    const both = [
      { description: "b", enabled: true },
      { description: "c", enabled: true },
    ];
    await Promise.all(
      both.map(async (changes) => await changeWebhook(context, admin, id, changes)),
    );
    expect(await readTold(scene, "webhook.enabled")).toHaveLength(1);
    const told = (await readTold(scene, "webhook.updated")) as {
      changes: { field: string; before: string; after: string }[];
    }[];
    const [, first, second] = told.map(({ changes }) =>
      changes.find(({ field }) => field === "description"),
    );
    expect(second?.before).toBe(first?.after);
  });

  it("delete it once", async () => {
    await using scene = await startSessionsScene();
    const { context, admin } = scene;
    const id = await makeWebhook(scene);
    const both = [1, 2].map(async () => await removeWebhook(context, admin, id));
    const codes = (await Promise.all(both)).map((each) => (each.ok ? "deleted" : each.error.code));
    expect(codes.toSorted()).toEqual(["deleted", "resource.not-found"]);
    expect(await readTold(scene, "webhook.deleted")).toHaveLength(1);
  });

  async function makeWebhook({ context, admin }: SessionsScene): Promise<string> {
    const hook = { url: "https://hooks.example.com/", description: "a", events: ["*"] };
    const made = await createWebhook(context, admin, hook);
    return made.ok ? made.value.webhook.id : "";
  }
});
