import { eq } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { auditEvents } from "../../../worker/repositories/schema/audit.ts";
import { groupMembers } from "../../../worker/repositories/schema/people.ts";
import type { Caller } from "../../../worker/services/context.ts";
import {
  addMember,
  changeGroup,
  createGroup,
  deleteGroup,
  pageGroups,
  pageGroupsOfUser,
  pageMembers,
  readGroup,
  removeMember,
} from "../../../worker/services/groups.ts";
import { deleteUser } from "../../../worker/services/users.ts";
import { recordedEvents } from "../../harness/audit-trail.ts";
import { type ControlServices, startControlServices } from "../../harness/control-services.ts";

async function makeGroup({ context }: ControlServices, admin: Caller, name: string) {
  const created = await createGroup(context, admin, { name, description: null });
  return created.ok ? created.value.id : created.error.code;
}

async function typesOf({ context }: ControlServices, prefix: string): Promise<string[]> {
  const rows = await context.database.select().from(auditEvents);
  return rows.map(({ type }) => type).filter((type) => type.startsWith(prefix));
}

const NOT_FOUND = { error: { code: "resource.not-found" } };

describe("a group's name", () => {
  it("is taken in any case, for new groups and for old ones", async () => {
    await using services = await startControlServices();
    const admin = await services.makeCaller("admin", "admin");
    await makeGroup(services, admin, "Support");
    const other = await makeGroup(services, admin, "other");
    expect(await makeGroup(services, admin, "SUPPORT")).toBe("resource.conflict");
    const rename = (id: string, name: string) =>
      changeGroup(services.context, admin, { id, changes: { name } });
    expect(await rename(other, "support")).toMatchObject({ error: { code: "resource.conflict" } });
    expect(await rename(other, "OTHER")).toMatchObject({ value: { name: "OTHER" } });
    expect(await rename("grp_none", "new")).toMatchObject(NOT_FOUND);
    expect(await typesOf(services, "group.")).toEqual([
      "group.created",
      "group.created",
      "group.changed",
    ]);
  });

  it("is told with what it was and is", async () => {
    await using services = await startControlServices();
    const admin = await services.makeCaller("admin", "admin");
    const id = await makeGroup(services, admin, "Support");
    const changes = { name: "Helpers", description: "first line" };
    await changeGroup(services.context, admin, { id, changes });
    const [told] = await recordedEvents(services.context, { type: "group.changed" });
    expect(told?.event.data).toEqual({
      groupId: id,
      name: "Helpers",
      fields: "description,name",
      changes: [
        { field: "name", before: '"Support"', after: '"Helpers"' },
        { field: "description", before: null, after: '"first line"' },
      ],
    });
  });

  it("orders the list, page after page", async () => {
    await using services = await startControlServices();
    const { context } = services;
    const admin = await services.makeCaller("admin", "admin");
    for (const name of ["Web", "db", "DB 2", "support"]) {
      await makeGroup(services, admin, name);
    }
    const names: string[] = [];
    let after: string | null = null;
    do {
      const page = await pageGroups(context, { prefix: null, after, limit: 3 });
      names.push(...page.items.map(({ name }) => name));
      after = page.nextName;
    } while (after !== null);
    expect(names).toEqual(["db", "DB 2", "support", "Web"]);
    const found = await pageGroups(context, { prefix: "D", after: null, limit: 3 });
    expect(found.items.map(({ name }) => name)).toEqual(["db", "DB 2"]);
  });
});

describe("members of a group", () => {
  it("come and go, each once for the audit trail", async () => {
    await using services = await startControlServices();
    const { context } = services;
    const admin = await services.makeCaller("admin", "admin");
    const bob = await services.makeCaller("bob", "user");
    const groupId = await makeGroup(services, admin, "support");
    const membership = { groupId, userId: bob.actorId };
    await addMember(context, admin, membership);
    await addMember(context, admin, membership);
    const page = { groupId, after: null, limit: 10 };
    expect(await pageMembers(context, page)).toMatchObject({
      value: { items: [{ userId: bob.actorId, username: "bob", origins: ["local"] }] },
    });
    expect(await removeMember(context, admin, membership)).toMatchObject({ ok: true });
    expect(await removeMember(context, admin, membership)).toMatchObject(NOT_FOUND);
    expect(await typesOf(services, "group.member")).toEqual([
      "group.member-added",
      "group.member-removed",
    ]);
  });

  it("are users and groups that exist", async () => {
    await using services = await startControlServices();
    const { context } = services;
    const admin = await services.makeCaller("admin", "admin");
    const gone = await services.makeCaller("gone", "user");
    await deleteUser(context, admin, gone.actorId);
    const groupId = await makeGroup(services, admin, "support");
    for (const membership of [
      { groupId, userId: "usr_none" },
      { groupId, userId: gone.actorId },
      { groupId: "grp_none", userId: admin.actorId },
    ]) {
      expect(await addMember(context, admin, membership)).toMatchObject(NOT_FOUND);
    }
    const page = { groupId: "grp_none", after: null, limit: 10 };
    expect(await pageMembers(context, page)).toMatchObject(NOT_FOUND);
  });

  it("by a provider's word stay when an admin takes his own back", async () => {
    await using services = await startControlServices();
    const { context } = services;
    const admin = await services.makeCaller("admin", "admin");
    const bob = await services.makeCaller("bob", "user");
    const groupId = await makeGroup(services, admin, "support");
    const membership = { groupId, userId: bob.actorId };
    await context.database.insert(groupMembers).values({ ...membership, origin: "corp" });
    await addMember(context, admin, membership);
    const userPage = { userId: bob.actorId, after: null, limit: 10 };
    expect((await pageGroupsOfUser(context, userPage)).items).toEqual([
      { id: groupId, name: "support", origins: ["corp", "local"] },
    ]);
    expect(await removeMember(context, admin, membership)).toMatchObject({ ok: true });
    expect(await removeMember(context, admin, membership)).toMatchObject({
      error: { code: "resource.managed-elsewhere" },
    });
    expect((await pageGroupsOfUser(context, userPage)).items).toMatchObject([
      { origins: ["corp"] },
    ]);
  });

  it("are paged, each once", async () => {
    await using services = await startControlServices();
    const { context } = services;
    const admin = await services.makeCaller("admin", "admin");
    const groupId = await makeGroup(services, admin, "support");
    const ids: string[] = [];
    for (const name of ["a", "b", "c"]) {
      const { actorId } = await services.makeCaller(name, "user");
      ids.push(actorId);
      await addMember(context, admin, { groupId, userId: actorId });
      const byProvider = { groupId, userId: actorId, origin: "corp" };
      await context.database.insert(groupMembers).values(byProvider);
    }
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const page = await pageMembers(context, { groupId, after, limit: 1 });
      const { items, nextId } = page.ok ? page.value : { items: [], nextId: null };
      seen.push(...items.map(({ userId }) => userId));
      after = nextId;
    } while (after !== null);
    expect(seen).toEqual(ids.sort());
  });

  it("lose the group when it is deleted, and stay users", async () => {
    await using services = await startControlServices();
    const { context } = services;
    const admin = await services.makeCaller("admin", "admin");
    const groupId = await makeGroup(services, admin, "support");
    await addMember(context, admin, { groupId, userId: admin.actorId });
    expect(await deleteGroup(context, admin, groupId)).toMatchObject({ ok: true });
    expect(await deleteGroup(context, admin, groupId)).toMatchObject(NOT_FOUND);
    expect(await readGroup(context, groupId)).toMatchObject(NOT_FOUND);
    const left = await context.database
      .select()
      .from(groupMembers)
      .where(eq(groupMembers.groupId, groupId));
    expect(left).toEqual([]);
    const page = { userId: admin.actorId, after: null, limit: 10 };
    expect((await pageGroupsOfUser(context, page)).items).toEqual([]);
  });
});
