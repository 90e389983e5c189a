/** Named policies, what they are attached to, and what they come to together. */
import { describe, expect, it } from "vitest";
import { newId } from "#shared/base/ids.ts";
import type { AttachedKind, PartialPolicy } from "#shared/policy/policy.ts";
import { groupMembers, groups } from "../../../worker/repositories/schema/people.ts";
import { findSourceId } from "../../../worker/repositories/sources.ts";
import {
  changeConsole,
  type ConsoleChanges,
  createConsole,
  deleteConsole,
} from "../../../worker/services/consoles.ts";
import {
  changePolicy,
  createPolicy,
  deletePolicy,
  pagePolicies,
  readNamedPolicy,
} from "../../../worker/services/policies.ts";
import {
  attachPolicy,
  detachPolicy,
  pageAttachments,
} from "../../../worker/services/policy-attachments.ts";
import { explainPolicy } from "../../../worker/services/policy-explanation.ts";
import { issueShare } from "../../../worker/services/shares.ts";
import { type ControlServices, startControlServices } from "../../harness/control-services.ts";
import { recordedEvents } from "../../harness/audit-trail.ts";

type Admin = Awaited<ReturnType<ControlServices["makeCaller"]>>;

async function start() {
  const services = await startControlServices();
  const admin = await services.makeCaller("admin", "admin");
  return { services, admin, [Symbol.asyncDispose]: () => services[Symbol.asyncDispose]() };
}

async function makePolicy(
  { services, admin }: { services: ControlServices; admin: Admin },
  name: string,
  rules: PartialPolicy,
): Promise<string> {
  const created = await createPolicy(services.context, admin, { name, description: "", rules });
  if (!created.ok) {
    throw new Error(created.error.code);
  }
  return created.value.id;
}

async function makeConsole(
  { services, admin }: { services: ControlServices; admin: Admin },
  policy?: PartialPolicy,
): Promise<string> {
  const input = { name: "web", host: "10.0.0.5", port: 5900, source: "static", policy };
  const created = await createConsole(services.context, admin, input);
  if (!created.ok) {
    throw new Error(created.error.code);
  }
  return created.value.id;
}

async function attach(
  { services, admin }: { services: ControlServices; admin: Admin },
  policyId: string,
  kind: AttachedKind,
  subjectId = "everyone",
) {
  return await attachPolicy(services.context, admin, { policyId, kind, subjectId });
}

async function makeGroup({ context }: ControlServices, name: string, userIds: readonly string[]) {
  const id = newId("group", context.randomBytes);
  await context.database.insert(groups).values({ id, name, createdAtMs: 1 });
  for (const userId of userIds) {
    await context.database.insert(groupMembers).values({ groupId: id, userId, origin: "local" });
  }
  return id;
}

async function trail({ context }: ControlServices, type: string) {
  const page = { type };
  return (await recordedEvents(context, page)).map(({ event }) => event.data);
}

describe("a named policy", () => {
  it("is made, read, listed by name, changed and deleted, and each change is told", async () => {
    await using held = await start();
    const { services, admin } = held;
    const { context } = services;
    const id = await makePolicy(held, "Night shift", { idleS: 900 });
    const other = await makePolicy(held, "All day", {});
    const page = await pagePolicies(context, { afterName: null, limit: 1 });
    expect(page).toMatchObject({ items: [{ id: other }], nextName: "All day" });
    const rest = await pagePolicies(context, { afterName: page.nextName, limit: 1 });
    expect(rest).toMatchObject({ items: [{ id }], nextName: null });
    const changes = { description: "For the night", rules: { durationS: 60 } };
    const changed = await changePolicy(context, admin, { id, changes });
    expect(changed).toMatchObject({
      ok: true,
      value: { name: "Night shift", rules: { durationS: 60 }, warnings: [] },
    });
    expect(await readNamedPolicy(context, id)).toMatchObject({ ok: true, value: changes });
    expect(await deletePolicy(context, admin, id)).toEqual({ ok: true, value: null });
    const gone = { ok: false, error: { code: "resource.not-found" } };
    expect(await readNamedPolicy(context, id)).toMatchObject(gone);
    expect(await changePolicy(context, admin, { id, changes })).toMatchObject(gone);
    expect(await deletePolicy(context, admin, id)).toMatchObject(gone);
    expect(await trail(services, "policy.created")).toHaveLength(2);
    expect(await trail(services, "policy.changed")).toEqual([
      {
        policyId: id,
        name: "Night shift",
        before: '{"name":"Night shift","description":"","rules":{"idleS":900}}',
        after: '{"name":"Night shift","description":"For the night","rules":{"durationS":60}}',
      },
    ]);
    expect(await trail(services, "policy.deleted")).toEqual([
      { policyId: id, name: "Night shift", rules: '{"durationS":60}' },
    ]);
  });

  it("has a name of its own, and a change of nothing is none", async () => {
    await using held = await start();
    const { services, admin } = held;
    const id = await makePolicy(held, "Night shift", {});
    const fields = { name: "NIGHT SHIFT", description: "", rules: {} };
    const taken = { ok: false, error: { code: "resource.conflict" } };
    expect(await createPolicy(services.context, admin, fields)).toMatchObject(taken);
    const other = await makePolicy(held, "Day shift", {});
    const renaming = { id: other, changes: { name: "night shift" } };
    expect(await changePolicy(services.context, admin, renaming)).toMatchObject(taken);
    const same = { id, changes: { name: "Night shift", rules: {} } };
    expect(await changePolicy(services.context, admin, same)).toMatchObject({ ok: true });
    expect(await trail(services, "policy.changed")).toEqual([]);
  });

  it("that no relay can enforce is stored with a warning, until one can", async () => {
    await using held = await start();
    const { services, admin } = held;
    const rules = { clipboard: "to-guest", usb: "deny", controlLoss: { strict: 60 } } as const;
    const fields = { name: "strict", description: "", rules };
    await services.makeRelay("old");
    const created = await createPolicy(services.context, admin, fields);
    const warned = (stored: typeof created) =>
      stored.ok ? stored.value.warnings.map(({ rule }) => rule) : stored.error;
    expect(warned(created)).toEqual(["controlLoss", "clipboard"]);
    await services.makeRelay("new", { enforces: ["controlLoss"] });
    const id = created.ok ? created.value.id : "";
    expect(warned(await changePolicy(services.context, admin, { id, changes: {} }))).toEqual([
      "clipboard",
    ]);
  });
});

describe("a console's own policy, and a link's", () => {
  it("is warned of as a named one is, for its own rules alone", async () => {
    await using held = await start();
    const { context } = held.services;
    const warned = (stored: Awaited<ReturnType<typeof changeConsole | typeof issueShare>>) =>
      stored.ok ? stored.value.warnings.map(({ rule }) => rule) : stored.error;
    const fields = { name: "web", host: "10.0.0.5", port: 5900, source: "static" };
    const policy = { input: "deny", usb: "deny" } as const;
    expect(warned(await createConsole(context, held.admin, { ...fields, policy }))).toEqual([
      "input",
    ]);
    const id = await makeConsole(held);
    const change = (changes: ConsoleChanges) => changeConsole(context, held.admin, { id, changes });
    expect(warned(await change({ name: "web2" }))).toEqual([]);
    expect(warned(await change({ policy }))).toEqual(["input"]);
    expect(warned(await change({ name: "web3" }))).toEqual(["input"]);
    const link = { consoleId: id, expiresInS: 60, usesMax: 1 };
    expect(warned(await issueShare(context, held.admin, link))).toEqual([]);
    const strict = { ...link, policy: { clipboard: "deny" } } as const;
    expect(warned(await issueShare(context, held.admin, strict))).toEqual(["clipboard"]);
    expect(warned(await change({ policy: null }))).toEqual([]);
  });
});

describe("a policy that is attached", () => {
  it("is warned of until a relay can enforce it, also when it was attached already", async () => {
    await using held = await start();
    const id = await makePolicy(held, "strict", { usb: "deny", controlLoss: { strict: 60 } });
    const warned = async () => {
      const attached = await attach(held, id, "everyone");
      return attached.ok ? attached.value.warnings.map(({ rule }) => rule) : attached.error;
    };
    expect(await warned()).toEqual(["controlLoss"]);
    expect(await warned()).toEqual(["controlLoss"]);
    await held.services.makeRelay("new", { enforces: ["controlLoss"] });
    expect(await warned()).toEqual([]);
  });

  it("is not deleted, and the refusal names where it is attached", async () => {
    await using held = await start();
    const { services, admin } = held;
    const id = await makePolicy(held, "strict", {});
    const consoleId = await makeConsole(held);
    const toEveryone = await attach(held, id, "everyone");
    const toConsole = await attach(held, id, "console", consoleId);
    const refused = await deletePolicy(services.context, admin, id);
    expect(refused).toMatchObject({ ok: false, error: { code: "policy.attached" } });
    const detail = refused.ok ? "" : refused.error.detail;
    expect(detail).toContain("everyone");
    expect(detail).toContain(`console web (${consoleId})`);
    for (const one of [toEveryone, toConsole]) {
      const detached = one.ok ? one.value.attachment.id : "";
      expect(await detachPolicy(services.context, admin, detached)).toMatchObject({ ok: true });
      expect(await detachPolicy(services.context, admin, detached)).toMatchObject({
        error: { code: "resource.not-found" },
      });
    }
    expect(await deletePolicy(services.context, admin, id)).toMatchObject({ ok: true });
    expect(await trail(services, "policy.attached")).toHaveLength(2);
    const told = await trail(services, "policy.detached");
    expect(told).toHaveLength(2);
    const of = { policyId: id, name: "strict" };
    expect(told).toContainEqual({ ...of, kind: "console", subjectId: consoleId, subject: "web" });
    const everyone = { kind: "everyone", subjectId: "everyone", subject: "everyone" };
    expect(told).toContainEqual({ ...of, ...everyone });
  });

  it("is deleted when what it was attached to is gone", async () => {
    await using held = await start();
    const { services, admin } = held;
    const id = await makePolicy(held, "strict", {});
    const consoleId = await makeConsole(held);
    await attach(held, id, "console", consoleId);
    await deleteConsole(services.context, admin, consoleId);
    const page = { filter: { policyId: id }, afterId: null, limit: 10 };
    expect((await pageAttachments(services.context, page)).items).toMatchObject([
      { subjectId: consoleId, subjectName: null },
    ]);
    expect(await deletePolicy(services.context, admin, id)).toMatchObject({ ok: true });
  });

  it("is attached once, to something that is there, with a bounded number of others", async () => {
    await using held = await start();
    const { services } = held;
    const id = await makePolicy(held, "one", {});
    const consoleId = await makeConsole(held);
    const first = await attach(held, id, "console", consoleId);
    expect(first).toMatchObject({ ok: true, value: { isNew: true } });
    const again = await attach(held, id, "console", consoleId);
    expect(again).toMatchObject({
      ok: true,
      value: { isNew: false, attachment: first.ok ? { id: first.value.attachment.id } : {} },
    });
    expect(await trail(services, "policy.attached")).toHaveLength(1);
    const fields = (result: Awaited<ReturnType<typeof attach>>) =>
      result.ok ? [] : (result.error.fields ?? []).map(({ field }) => field);
    expect(fields(await attach(held, "pol_none", "everyone"))).toEqual(["policyId"]);
    for (const kind of ["console", "source", "group", "user"] as const) {
      expect(fields(await attach(held, id, kind, "con_none"))).toEqual(["subjectId"]);
    }
    for (let count = 1; count < 16; count += 1) {
      const more = await makePolicy(held, `more ${count}`, {});
      expect(await attach(held, more, "console", consoleId)).toMatchObject({ ok: true });
    }
    const beyond = await makePolicy(held, "beyond", {});
    expect(fields(await attach(held, beyond, "console", consoleId))).toEqual(["subjectId"]);
  });

  it("names a source by its name, as everything else does, or by its id", async () => {
    await using held = await start();
    const id = await makePolicy(held, "one", {});
    await makeConsole(held);
    const sourceId = await findSourceId(held.services.context.database, "static");
    const byName = await attach(held, id, "source", "static");
    const subject = { kind: "source", subjectId: sourceId, subjectName: "static" };
    expect(byName).toMatchObject({ ok: true, value: { isNew: true, attachment: subject } });
    const byId = await attach(held, id, "source", sourceId ?? "");
    expect(byId).toMatchObject({ ok: true, value: { isNew: false, attachment: subject } });
  });

  it("is listed from either side, page by page", async () => {
    await using held = await start();
    const { services, admin } = held;
    const id = await makePolicy(held, "strict", {});
    const consoleId = await makeConsole(held);
    await attach(held, id, "console", consoleId);
    await attach(held, id, "user", admin.actorId);
    const kinds = async (filter: object, afterId: string | null = null) => {
      const page = await pageAttachments(services.context, { filter, afterId, limit: 1 });
      return { ...page, items: page.items.map(({ kind, subjectName }) => [kind, subjectName]) };
    };
    const first = await kinds({ policyId: id });
    const second = await kinds({ policyId: id }, first.nextId);
    const both = [...first.items, ...second.items];
    expect(both).toHaveLength(2);
    expect(both).toContainEqual(["console", "web"]);
    expect(both).toContainEqual(["user", "admin"]);
    expect(second.nextId).toBeNull();
    expect(await kinds({ subjectId: admin.actorId })).toEqual({
      items: [["user", "admin"]],
      nextId: null,
    });
  });
});

describe("the policy of a session", () => {
  it("is the strictest of everything that applies, and tells who says what", async () => {
    await using held = await start();
    const { services, admin } = held;
    const user = await services.makeCaller("alice", "user");
    const consoleId = await makeConsole(held, { idleS: 1_200, firewall: "observe" });
    await services.grant(user, consoleId);
    const sourceId = (await findSourceId(services.context.database, "static")) ?? "";
    const team = await makeGroup(services, "team", [user.actorId]);
    const foreign = await makeGroup(services, "foreign", []);
    const of = async (name: string, rules: PartialPolicy) => makePolicy(held, name, rules);
    await attach(held, await of("base", { idleS: 3_600, sessionsMax: 5 }), "everyone");
    await attach(held, await of("site", { durationS: 7_200 }), "source", sourceId);
    await attach(held, await of("box", { idleS: 900 }), "console", consoleId);
    await attach(held, await of("team", { sessionsMax: 2 }), "group", team);
    await attach(held, await of("person", { secondViewer: "take-over" }), "user", user.actorId);
    await attach(held, await of("others", { durationS: 1 }), "group", foreign);
    await of("loose", { durationS: 2 });
    const explained = await explainPolicy(services.context, user, {
      consoleId,
      userId: user.actorId,
    });
    if (!explained.ok) {
      throw new Error(explained.error.code);
    }
    expect(explained.value).toMatchObject({
      console: { id: consoleId, name: "web" },
      user: { username: "alice" },
      openness: { open: true, closesAtMs: null },
      rules: {
        idleS: 900,
        durationS: 7_200,
        sessionsMax: 2,
        secondViewer: "take-over",
        firewall: "observe",
        reconnectWindowS: 0,
      },
    });
    const said = (rule: string) =>
      explained.value.decisions
        .find((decision) => decision.rule === rule)
        ?.contributions.map(({ from, value, wins }) => [
          from.by === "policy" ? `${from.name}: ${from.attachedTo.kind}` : from.by,
          value,
          wins,
        ]);
    expect(said("idleS")).toEqual([
      ["base: everyone", 3_600, false],
      ["box: console", 900, true],
      ["console", 1_200, false],
    ]);
    expect(said("sessionsMax")).toEqual([
      ["base: everyone", 5, false],
      ["team: group", 2, true],
    ]);
    expect(said("reconnectWindowS")).toEqual([]);
    const asAdmin = { consoleId, userId: admin.actorId };
    expect(await explainPolicy(services.context, admin, asAdmin)).toMatchObject({
      ok: true,
      value: { rules: { idleS: 900, sessionsMax: 5, secondViewer: "refuse" } },
    });
  });

  it("of others is for those who may read policies and people", async () => {
    await using held = await start();
    const { services, admin } = held;
    const consoleId = await makeConsole(held);
    const user = await services.makeCaller("alice", "user");
    await services.grant(user, consoleId);
    const ask = async (caller: typeof user, userId: string, id = consoleId) => {
      const answer = await explainPolicy(services.context, caller, { consoleId: id, userId });
      return answer.ok ? "explained" : answer.error.code;
    };
    expect(await ask(user, user.actorId)).toBe("explained");
    expect(await ask(user, admin.actorId)).toBe("auth.forbidden");
    expect(await ask(admin, user.actorId)).toBe("explained");
    expect(await ask(admin, "usr_none")).toBe("resource.not-found");
    expect(await ask(admin, admin.actorId, "con_none")).toBe("resource.not-found");
  });
});
