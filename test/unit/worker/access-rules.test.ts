import { describe, expect, it } from "vitest";
import { permissionsOf } from "../../../worker/identity/permissions.ts";
import { updateRule } from "../../../worker/repositories/access-rules.ts";
import { accessScopes } from "../../../worker/repositories/schema/access.ts";
import { explainAccess, pageRulesOfConsole } from "../../../worker/services/access-explained.ts";
import {
  changeAccess,
  grantAccess,
  pageRules,
  readRule,
  revokeAccess,
} from "../../../worker/services/access-rules.ts";
import { auditRecord } from "../../../worker/services/audit-record.ts";
import {
  changeConsole,
  createConsole,
  deleteConsole,
  pageConsoles,
  readConsole,
} from "../../../worker/services/consoles.ts";
import type { ActingUser } from "../../../worker/services/context.ts";
import { addMember, createGroup, deleteGroup } from "../../../worker/services/groups.ts";
import { pageSessions, readSession } from "../../../worker/services/sessions.ts";
import { terminateSession } from "../../../worker/services/terminate-sessions.ts";
import { issueTicket } from "../../../worker/services/tickets.ts";
import { changeUser, deleteUser } from "../../../worker/services/users.ts";
import { type ControlServices } from "../../harness/control-services.ts";
import { holdConsole, issue } from "./tickets-fixture.ts";
import { recordedEvents } from "../../harness/audit-trail.ts";
import { valueOf } from "../../harness/value-of.ts";

const EVERYONE = { kind: "everyone" as const };

async function granted(
  services: ControlServices,
  admin: ActingUser,
  rule: Parameters<typeof grantAccess>[2],
) {
  const outcome = await grantAccess(services.context, admin, rule);
  if (!outcome.ok) {
    throw new Error(outcome.error.code);
  }
  return outcome.value;
}

async function seenBy(services: ControlServices, user: ActingUser): Promise<string[]> {
  const page = { filter: {}, after: null, limit: 100 };
  const { items } = valueOf(await pageConsoles(services.context, user, page));
  return items.map(({ name, access }) => `${name}: ${access}`);
}

async function addConsole(
  { context }: ControlServices,
  admin: ActingUser,
  console: { name: string; project?: string; tags?: string[] },
): Promise<string> {
  const input = { ...console, host: "10.0.0.5", port: 5900, source: "static" };
  const created = await createConsole(context, admin, input);
  return created.ok ? created.value.id : "";
}

describe("without a rule", () => {
  it("a user sees nothing, and hears of what there is no more than of what there is not", async () => {
    await using held = await holdConsole(["one"]);
    const { services, consoleId } = held;
    const { context } = services;
    const user = await services.makeCaller("user", "user");
    expect(await seenBy(services, user)).toEqual([]);
    const answers = await Promise.all(
      [consoleId, "con_none"].flatMap((id) => [
        readConsole(context, user, id),
        issueTicket(context, user, id),
      ]),
    );
    for (const answer of answers) {
      expect(answer).toEqual({ ok: false, error: { code: "resource.not-found", detail: "" } });
    }
    const trail = { type: "ticket.denied" };
    expect(await recordedEvents(context, trail)).toEqual([]);
  });

  it.each([
    ["admin", "open"],
    ["operator", "view"],
    ["auditor", "view"],
  ] as const)("a role may reach every console: %s may %s", async (role, access) => {
    await using held = await holdConsole(["one"]);
    const { services, consoleId } = held;
    const caller = await services.makeCaller("somebody", role);
    expect(await seenBy(services, caller)).toEqual([`Büro / "1": ${access}`]);
    const issued = await issueTicket(services.context, caller, consoleId);
    expect(issued.ok ? "open" : issued.error.code).toBe(
      access === "open" ? "open" : "console.access-too-low",
    );
  });
});

describe("a rule", () => {
  it("gives what its level says: to see, or to open", async () => {
    await using held = await holdConsole(["one"]);
    const { services, consoleId } = held;
    const { context } = services;
    const viewer = await services.makeCaller("viewer", "user");
    const opener = await services.makeCaller("opener", "user");
    await services.grant(viewer, consoleId, "view");
    await services.grant(opener, consoleId, "open");
    expect(await seenBy(services, viewer)).toEqual([`Büro / "1": view`]);
    expect(await issueTicket(context, viewer, consoleId)).toMatchObject({
      ok: false,
      error: {
        code: "console.access-too-low",
        detail: 'It takes the level "open", and yours is "view".',
      },
    });
    const trail = { type: "ticket.denied" };
    expect(await recordedEvents(context, trail)).toMatchObject([
      { actorId: viewer.actorId, consoleId, event: { data: { code: "console.access-too-low" } } },
    ]);
    expect(await issueTicket(context, opener, consoleId)).toMatchObject({ ok: true });
  });

  it("opens nothing for a role that may open nothing", async () => {
    await using held = await holdConsole(["one"]);
    const { services, consoleId } = held;
    const auditor = await services.makeCaller("auditor", "auditor");
    await services.grant(auditor, consoleId, "own");
    expect(await seenBy(services, auditor)).toEqual([`Büro / "1": view`]);
    const issued = await issueTicket(services.context, auditor, consoleId);
    expect(issued).toMatchObject({ ok: false, error: { code: "console.access-too-low" } });
  });

  it("for a group counts for whoever is in it, at their next call", async () => {
    await using held = await holdConsole(["one"]);
    const { services, admin, consoleId } = held;
    const { context } = services;
    const user = await services.makeCaller("user", "user");
    const group = await createGroup(context, admin, { name: "team", description: null });
    const groupId = group.ok ? group.value.id : "";
    const subject = { kind: "group" as const, id: groupId };
    await granted(services, admin, { subject, match: { consoleId }, level: "open" });
    expect(await seenBy(services, user)).toEqual([]);
    await addMember(context, admin, { groupId, userId: user.actorId });
    expect(await seenBy(services, user)).toEqual([`Büro / "1": open`]);
    await deleteGroup(context, admin, groupId);
    expect(await seenBy(services, user)).toEqual([]);
    const rules = { subjectId: groupId, consoleId: undefined, after: null, limit: 9 };
    expect((await pageRules(context, rules)).items).toEqual([]);
  });

  it("follows consoles: a new project, tag or name is another rule's at once", async () => {
    await using held = await holdConsole(["one"]);
    const { services, admin } = held;
    const { context } = services;
    const user = await services.makeCaller("user", "user");
    const subject = { kind: "user" as const, id: user.actorId };
    const scope = { source: "static", project: "shop", tag: "web", name: "web-?*" };
    await granted(services, admin, { subject, match: scope, level: "open" });
    await granted(services, admin, { subject, match: { tag: "db" }, level: "view" });
    const id = await addConsole(services, admin, { name: "web-1", project: "shop", tags: ["web"] });
    expect(await seenBy(services, user)).toEqual(["web-1: open"]);
    const changes = [
      [{ name: "web-" }, []],
      [{ name: "web-2" }, ["web-2: open"]],
      [{ project: null }, []],
      [{ project: "shop", tags: ["db"] }, ["web-2: view"]],
      [{ tags: ["db", "web"] }, ["web-2: open"]],
      [{ tags: [] }, []],
    ] as const;
    for (const [change, expected] of changes) {
      await changeConsole(context, admin, { id, changes: change });
      expect(await seenBy(services, user)).toEqual(expected);
    }
  });

  it("ends with its console, and with its user", async () => {
    await using held = await holdConsole(["one"]);
    const { services, admin, consoleId } = held;
    const { context } = services;
    const user = await services.makeCaller("user", "user");
    const other = await services.makeCaller("other", "user");
    const rules = [await services.grant(user, consoleId), await services.grant(other, consoleId)];
    await deleteUser(context, admin, user.actorId);
    const left = async () => {
      const found = await Promise.all(rules.map((id) => readRule(context, id)));
      return found.map(({ ok }) => ok);
    };
    expect(await left()).toEqual([false, true]);
    await deleteConsole(context, admin, consoleId);
    expect(await left()).toEqual([false, false]);
  });

  it("is told in the audit trail as it was, when it is granted, changed and revoked", async () => {
    await using held = await holdConsole(["one"]);
    const { services, admin, consoleId } = held;
    const { context } = services;
    const user = await services.makeCaller("user", "user");
    const subject = { kind: "user" as const, id: user.actorId };
    const rule = await granted(services, admin, { subject, match: { consoleId }, level: "open" });
    const match = { source: "static", project: "p", tag: "t", name: "a*" };
    await changeAccess(context, admin, { id: rule.id, level: "view", match });
    await revokeAccess(context, admin, rule.id);
    const trail = await recordedEvents(context, {}, 50);
    const told = trail.filter(({ event }) => event.type.startsWith("access."));
    const common = { ruleId: rule.id, subject: "user", userId: user.actorId };
    expect(
      Object.fromEntries(
        told.map((record) => [record.event.type, [record.consoleId, record.event.data]]),
      ),
    ).toEqual({
      "access.granted": [consoleId, { ...common, level: "open" }],
      "access.changed": [null, { ...common, ...match, level: "view", levelBefore: "open" }],
      "access.revoked": [null, { ...common, ...match, level: "view" }],
    });
  });

  it("is there once for a subject and what it is about", async () => {
    await using held = await holdConsole(["one"]);
    const { services, admin } = held;
    const { context } = services;
    const first = await granted(services, admin, { subject: EVERYONE, match: {}, level: "view" });
    const twins = [{ name: "*" }, { name: "**" }, {}];
    for (const match of twins) {
      const twin = await grantAccess(context, admin, { subject: EVERYONE, match, level: "own" });
      expect(twin).toMatchObject({ ok: false, error: { code: "resource.conflict" } });
    }
    const other = await granted(services, admin, {
      subject: EVERYONE,
      match: { tag: "t" },
      level: "view",
    });
    const changed = await changeAccess(context, admin, { id: other.id, match: {} });
    expect(changed).toMatchObject({ ok: false, error: { code: "resource.conflict" } });
    expect(await readRule(context, other.id)).toMatchObject({ ok: true, value: { tag: "t" } });
    expect(await readRule(context, first.id)).toMatchObject({ ok: true, value: { name: null } });
  });

  it.each([
    ["a user that is not there", { kind: "user", id: "usr_none" }, {}, "subject.id"],
    ["no user", { kind: "user" }, {}, "subject.id"],
    ["a group that is not there", { kind: "group", id: "grp_none" }, {}, "subject.id"],
    ["everyone by an id", { kind: "everyone", id: "usr_x" }, {}, "subject.id"],
    ["a console that is not there", EVERYONE, { consoleId: "con_none" }, "match.consoleId"],
    ["a source that is not there", EVERYONE, { source: "elsewhere" }, "match.source"],
    ["a console among others", EVERYONE, { consoleId: "con_x", tag: "t" }, "match"],
  ] as const)("is refused for %s", async (_what, subject, match, field) => {
    await using held = await holdConsole([]);
    const { services, admin } = held;
    const outcome = await grantAccess(services.context, admin, { subject, match, level: "view" });
    expect(outcome).toMatchObject({
      ok: false,
      error: { code: "request.invalid", fields: [{ field }] },
    });
  });

  it("stays as it is where nothing is to change, and nothing is recorded", async () => {
    await using held = await holdConsole([]);
    const { services, admin, consoleId } = held;
    const { context } = services;
    const id = await services.grant(admin, consoleId, "own");
    const before = await readRule(context, id);
    expect(await changeAccess(context, admin, { id })).toEqual(before);
    expect(await recordedEvents(context, { type: "access.changed" })).toEqual([]);
  });

  it("that goes while it is changed leaves no scope behind", async () => {
    await using held = await holdConsole([]);
    const { services, admin } = held;
    const { database } = services.context;
    const match = { consoleId: null, sourceId: null, project: "p", tag: null, name: null };
    const data = {
      ruleId: "acr_none",
      subject: "everyone",
      level: "own",
      levelBefore: "own",
    } as const;
    const audit = auditRecord(services.context, admin, { type: "access.changed", data });
    expect(await updateRule(database, { id: "acr_none", match, level: "own" }, audit)).toBe(false);
    expect(await database.select().from(accessScopes)).toEqual([]);
    expect(await recordedEvents(services.context, { type: "access.changed" })).toEqual([]);
  });

  it("that is not there cannot be read, changed or revoked", async () => {
    await using held = await holdConsole([]);
    const { services, admin } = held;
    const { context } = services;
    const id = "acr_none";
    const notFound = { ok: false, error: { code: "resource.not-found" } };
    expect(await readRule(context, id)).toMatchObject(notFound);
    expect(await changeAccess(context, admin, { id, level: "own" })).toMatchObject(notFound);
    expect(await revokeAccess(context, admin, id)).toMatchObject(notFound);
    const page = { consoleId: "con_none", after: null, limit: 1 };
    expect(await pageRulesOfConsole(context, admin, page)).toMatchObject(notFound);
  });
});

describe("an explanation", () => {
  it("names the rules by which somebody reaches a console, highest first, and what the role gives", async () => {
    await using held = await holdConsole([]);
    const { services, admin, consoleId } = held;
    const { context } = services;
    const user = await services.makeCaller("user", "user");
    const everyone = await granted(services, admin, {
      subject: EVERYONE,
      match: { source: "static" },
      level: "view",
    });
    const own = await services.grant(user, consoleId, "own");
    await granted(services, admin, { subject: EVERYONE, match: { tag: "none" }, level: "own" });
    const explained = await explainAccess(context, { userId: user.actorId, consoleId });
    expect(explained).toMatchObject({
      ok: true,
      value: {
        access: "own",
        byRole: null,
        isDisabled: false,
        rules: [
          { id: own, level: "own", subject: { kind: "user", name: "user" } },
          { id: everyone.id, level: "view", source: "static" },
        ],
      },
    });
    await changeUser(context, admin, { id: user.actorId, changes: { disabled: true } });
    expect(await explainAccess(context, { userId: user.actorId, consoleId })).toMatchObject({
      value: { isDisabled: true },
    });
    const ofAdmin = await explainAccess(context, { userId: admin.actorId, consoleId });
    expect(ofAdmin).toMatchObject({ value: { access: "open", byRole: "open" } });
    const page = await pageRulesOfConsole(context, admin, { consoleId, after: null, limit: 9 });
    expect(page.ok ? page.value.items.map(({ id }) => id).sort() : []).toEqual(
      [own, everyone.id].sort(),
    );
  });

  it.each([
    ["userId", { userId: "usr_none" }],
    ["consoleId", { consoleId: "con_none" }],
  ])("is refused for somebody or something that is not there: %s", async (field, wrong) => {
    await using held = await holdConsole([]);
    const { services, admin, consoleId } = held;
    const question = { userId: admin.actorId, consoleId, ...wrong };
    expect(await explainAccess(services.context, question)).toMatchObject({
      ok: false,
      error: { code: "request.invalid", fields: [{ field }] },
    });
  });
});

describe("the owner of a console", () => {
  it("sees everybody's sessions of it without their names, and ends them", async () => {
    await using held = await holdConsole(["one"]);
    const { services, consoleId } = held;
    const { context } = services;
    const owner = await services.makeCaller("owner", "user");
    const user = await services.makeCaller("user", "user");
    await services.grant(owner, consoleId, "own");
    await services.grant(user, consoleId, "open");
    const { sessionId } = await issue(services, user, consoleId);
    const page = { after: null, limit: 9 };
    for (const of of [undefined, consoleId]) {
      const { items } = await pageSessions(context, owner, { ...page, filter: { consoleId: of } });
      expect(items).toMatchObject([{ id: sessionId, user: null, clientAddress: null }]);
    }
    expect(await readSession(context, owner, sessionId)).toMatchObject({
      value: { session: { user: null } },
    });
    for (const filter of [{ userId: user.actorId }, { consoleId, userId: user.actorId }]) {
      expect(await pageSessions(context, owner, { ...page, filter })).toEqual({
        items: [],
        next: null,
      });
    }
    const own = { ...page, filter: { userId: user.actorId } };
    expect((await pageSessions(context, user, own)).items).toMatchObject([{ id: sessionId }]);
    expect(await terminateSession(context, owner, sessionId)).toEqual({
      ok: true,
      value: "requested",
    });
    expect(services.pushes.at(-1)?.command).toMatchObject({
      kind: "terminate",
      sessionId,
      reason: "ended by the console's owner",
    });
  });

  it("is nobody who may only open it: others' sessions are not there for them", async () => {
    await using held = await holdConsole(["one"]);
    const { services, consoleId } = held;
    const { context } = services;
    const [user, other] = [
      await services.makeCaller("user", "user"),
      await services.makeCaller("other", "user"),
    ];
    await services.grant(user, consoleId);
    await services.grant(other, consoleId);
    const { sessionId } = await issue(services, user, consoleId);
    for (const of of [undefined, consoleId]) {
      const page = { filter: { consoleId: of }, after: null, limit: 9 };
      expect((await pageSessions(context, other, page)).items).toEqual([]);
      expect((await pageSessions(context, user, page)).items).toHaveLength(1);
    }
    for (const attempt of [readSession, terminateSession]) {
      expect(await attempt(context, other, sessionId)).toMatchObject({
        ok: false,
        error: { code: "resource.not-found" },
      });
    }
  });

  it("is not who reads everybody's sessions and may end none", async () => {
    await using held = await holdConsole(["one"]);
    const { services, admin, consoleId } = held;
    const { sessionId } = await issue(services, admin, consoleId);
    const auditor = await services.makeCaller("auditor", "auditor");
    expect(permissionsOf("auditor").has("sessions.end-all")).toBe(false);
    expect(await terminateSession(services.context, auditor, sessionId)).toMatchObject({
      ok: false,
      error: { code: "auth.forbidden" },
    });
  });
});
