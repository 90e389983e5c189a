import { createClient } from "@libsql/client/web";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { NumberedEvent, RelayEvent } from "#shared/control/contract.ts";
import { EVENTS_PER_MESSAGE_MAX } from "#shared/control/limits.ts";
import { permissionsOf } from "../../../worker/identity/permissions.ts";
import { JOBS } from "../../../worker/jobs/jobs.ts";
import { changeOwnPassword, readAccount } from "../../../worker/services/account.ts";
import { createApiToken, endApiToken, pageApiTokens } from "../../../worker/services/api-tokens.ts";
import { pageCheckpoints, pageHeads } from "../../../worker/services/audit-chains.ts";
import { pageAuditTrail, pageChainLinks } from "../../../worker/services/audit-trail.ts";
import { fetchConsoleFile } from "../../../worker/services/console-files.ts";
import {
  changeConsole,
  createConsole,
  deleteConsole,
  pageConsoles,
  readConsole,
} from "../../../worker/services/consoles.ts";
import { explainAccess, pageRulesOfConsole } from "../../../worker/services/access-explained.ts";
import {
  changeAccess,
  grantAccess,
  pageRules,
  readRule,
  revokeAccess,
} from "../../../worker/services/access-rules.ts";
import type { SessionFilter } from "../../../worker/repositories/session-list.ts";
import type { ActingUser, Caller, ServiceContext } from "../../../worker/services/context.ts";
import { expireSessions } from "../../../worker/services/expire-sessions.ts";
import { forgetExpiredCredentials } from "../../../worker/services/forget-credentials.ts";
import {
  addMember,
  changeGroup,
  createGroup,
  deleteGroup,
  pageGroups,
  pageGroupsOfUser,
  pageMembers,
  removeMember,
} from "../../../worker/services/groups.ts";
import { authenticate, logIn, logOut } from "../../../worker/services/login.ts";
import { endLogin, endLogins, pageLogins } from "../../../worker/services/logins.ts";
import { openShare } from "../../../worker/services/open-share.ts";
import { storeRelayEvents } from "../../../worker/services/relay-events.ts";
import { lookUpGrant } from "../../../worker/services/relay-lookups.ts";
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
import {
  endSessionsOfLostRelay,
  markRelayOffline,
  markRelayServing,
  welcomeRelay,
} from "../../../worker/services/relay-presence.ts";
import { pageRelays, readRelay } from "../../../worker/services/relays.ts";
import { followSessions, sweepSessionFeed } from "../../../worker/services/session-feed.ts";
import { pageSessions, readSession } from "../../../worker/services/sessions.ts";
import {
  terminateSession,
  terminateSessionsOfConsole,
  terminateSessionsOfUser,
} from "../../../worker/services/terminate-sessions.ts";
import { issueTicket, type TicketCaller } from "../../../worker/services/tickets.ts";
import {
  changeUser,
  createUser,
  deleteUser,
  pageUsers,
  setPassword,
} from "../../../worker/services/users.ts";
import { sayLimit } from "../../../worker/services/session-limits.ts";
import { issueShare, pageShares, readShare, revokeShare } from "../../../worker/services/shares.ts";
import { pageDeliveries, redrive } from "../../../worker/services/webhook-deliveries.ts";
import { deliverWebhooks } from "../../../worker/services/webhook-delivery.ts";
import {
  changeWebhook,
  createWebhook,
  removeWebhook,
  rotateWebhookSecret,
} from "../../../worker/services/webhooks.ts";
import { useKeysAndMetrics } from "./use-keys-and-metrics.ts";
import {
  type ControlServices,
  startControlServices,
  TEST_PASSWORD,
} from "../../harness/control-services.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

/** Keeps what goes to the database: every statement, and how many requests carried them. */
function listen(): { statements: Set<string>; requests: Request[] } {
  const heard = { statements: new Set<string>(), requests: new Array<Request>() };
  const original = globalThis.fetch;
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    if (input instanceof Request && input.url.endsWith("/v2/pipeline")) {
      heard.requests.push(input.clone());
      for (const sql of statementsOf(await input.clone().json())) {
        heard.statements.add(sql);
      }
    }
    return await original(input, init);
  });
  return heard;
}

/** Every statement's text in a pipeline's requests, however deep. */
function statementsOf(value: unknown): string[] {
  if (typeof value !== "object" || value === null) {
    return [];
  }
  const own = "sql" in value && typeof value.sql === "string" ? [value.sql] : [];
  return [...own, ...Object.values(value).flatMap(statementsOf)];
}

/** Does everything once that asks the database, with second pages and every filter. */
async function useEverything(services: ControlServices): Promise<void> {
  const { context } = services;
  const admin = await services.makeCaller("admin", "admin");
  const relayId = await services.makeRelay("relay");
  const login = await logIn(context, admin, { username: "admin", password: TEST_PASSWORD });
  const token = login.ok ? login.value.token : "";
  const authenticated = await authenticate(context, token);
  const loginId = authenticated?.credential.id ?? "";
  await usePeople(services, admin);
  await logOut(context, admin, loginId);

  const input = { name: "a", host: "10.0.0.5", port: 5900, source: "static" };
  const created = await createConsole(context, admin, input);
  const consoleId = created.ok ? created.value.id : "";
  await changeConsole(context, admin, { id: consoleId, changes: { name: "b" } });
  await readConsole(context, admin, consoleId);
  await useRules(services, admin, consoleId);
  await useLists(services, admin, consoleId);
  await usePolicies(services, admin, consoleId);
  const issued = await issueTicket(context, admin, consoleId);
  const { sessionId = "", vvUrl = "" } = issued.ok ? issued.value : {};
  await fetchConsoleFile(context, admin, vvUrl.split("/").at(-1) ?? "");
  await lookUpGrant(context, relayId, "h".repeat(43));
  await useSessions(services, { admin, consoleId, relayId, sessionId });
  await useShares(services, admin, consoleId);
  await useRelay(services, relayId, sessionId);
  await useKeysAndMetrics(services);
  await terminateSession(context, admin, sessionId);
  await deleteConsole(context, admin, consoleId);
  await useAuditTrail(services);
  await useWebhooks(services, admin);
}

/** A webhook whose receiver takes nothing, and then does. */
async function useWebhooks(services: ControlServices, admin: Caller): Promise<void> {
  let status = 500;
  const egress = async (): Promise<Response> => new Response("", { status });
  const context = { ...services.context, egress };
  const input = { url: "https://hooks.example.com/", description: "", events: ["*"] };
  const made = await createWebhook(context, admin, input);
  const id = made.ok ? made.value.webhook.id : "";
  for (const after of [null, { createdAtMs: 1, id: "msg" }]) {
    await deliverWebhooks(context);
    await pageDeliveries(context, id, { after, limit: 2 });
    services.moveClock(60_000);
    status = 200;
  }
  await rotateWebhookSecret(context, admin, id);
  await redrive(context, admin, { webhookId: id, id: "msg" });
  await changeWebhook(context, admin, id, { enabled: false });
  await changeWebhook(context, admin, id, { enabled: true });
  await removeWebhook(context, admin, id);
}

/** Every filter by itself, with a time, and with others; and what is done to the trail by the clock. */
async function useAuditTrail({ context }: ControlServices): Promise<void> {
  const one = "x";
  const naming = ["consoleId", "sessionId", "relayId", "actorId", "about", "address", "requestId"];
  const types = [["relay.online"], ["relay.online", "user.logged-in"], ["session.*"]];
  const single = [
    {},
    ...naming.map((name) => ({ [name]: one })),
    ...types.map((list) => ({ types: list })),
  ];
  const range = { fromMs: 1, toMs: 2 };
  const both = naming.map((name) => ({ [name]: one, actorId: one, types: ["relay.online"] }));
  const filters = [...single, ...single.map((filter) => ({ ...filter, ...range })), ...both];
  for (const filter of filters) {
    for (const after of [null, { atMs: 1, id: "aud" }]) {
      await pageAuditTrail(context, { filter, after, limit: 2 });
    }
  }
  await pageChainLinks(context, { after: null, limit: 2 });
  await pageCheckpoints(context, null);
  await pageHeads(context, null);
  for (const { run } of JOBS) {
    await run(context);
  }
}

/** Leaves a limit on everyone's sessions, so that tickets count them. */
async function usePolicies(
  { context }: ControlServices,
  admin: TicketCaller,
  consoleId: string,
): Promise<void> {
  const rules = { sessionsMax: 1, input: "deny" } as const;
  const made = await createPolicy(context, admin, { name: "p", description: "", rules });
  const policyId = made.ok ? made.value.id : "";
  await readNamedPolicy(context, policyId);
  for (const afterName of [null, "a"]) {
    await pagePolicies(context, { afterName, limit: 2 });
  }
  await attachPolicy(context, admin, { policyId, kind: "everyone", subjectId: "everyone" });
  const of = { kind: "console", subjectId: consoleId } as const;
  const attached = await attachPolicy(context, admin, { policyId, ...of });
  for (const filter of [{}, { policyId }, { subjectId: consoleId }]) {
    for (const afterId of [null, "att"]) {
      await pageAttachments(context, { filter, afterId, limit: 2 });
    }
  }
  await explainPolicy(context, admin, { consoleId, userId: admin.actorId });
  await deletePolicy(context, admin, policyId);
  await detachPolicy(context, admin, attached.ok ? attached.value.attachment.id : "");
  const change = { id: policyId, changes: { rules: { sessionsMax: 1 } } };
  await changePolicy(context, admin, change);
  await sayLimit(context, admin, { userId: admin.actorId, sessionsMax: 1 });
}

async function usePeople(
  { context }: ControlServices,
  admin: Caller & { readonly actorId: string },
): Promise<void> {
  const created = await createUser(context, {
    username: "bob",
    password: TEST_PASSWORD,
    role: "user",
  });
  const userId = created.ok ? created.value.id : "";
  const issued = await createApiToken(context, admin, {
    name: "script",
    scopes: ["consoles.read"],
    lifeDays: 1,
  });
  const { id: tokenId = "", token = "" } = issued.ok ? issued.value : {};
  await authenticate(context, token);
  for (const after of [null, { createdAtMs: 1, id: "x" }]) {
    await pageLogins(context, { userId: admin.actorId, after, limit: 2 });
    await pageApiTokens(context, { userId: admin.actorId, after, limit: 2 });
  }
  await endApiToken(context, admin, { id: tokenId, userId: admin.actorId });
  await endLogin(context, admin, { id: "lgn_none", userId });
  await endLogins(context, admin, { userId, exceptLoginId: "lgn_none" });
  for (const prefix of [null, "b"]) {
    for (const after of [null, "a"]) {
      await pageUsers(context, { prefix, role: null, after, limit: 2 });
      await pageUsers(context, { prefix, role: "user", after, limit: 2 });
      await pageGroups(context, { prefix, after, limit: 2 });
    }
  }
  const group = await createGroup(context, admin, { name: "support", description: null });
  const groupId = group.ok ? group.value.id : "";
  await changeGroup(context, admin, { id: groupId, changes: { name: "helpers" } });
  await addMember(context, admin, { groupId, userId });
  for (const after of [null, "a"]) {
    await pageMembers(context, { groupId, after, limit: 2 });
    await pageGroupsOfUser(context, { userId, after, limit: 2 });
  }
  await readAccount(context, admin);
  await changeOwnPassword(context, admin, {
    currentPassword: TEST_PASSWORD,
    newPassword: `${TEST_PASSWORD} again`,
  });
  await removeMember(context, admin, { groupId, userId });
  await removeMember(context, admin, { groupId, userId });
  await deleteGroup(context, admin, groupId);
  await setPassword(context, admin, { id: userId, password: TEST_PASSWORD });
  await changeUser(context, admin, { id: userId, changes: { disabled: true, role: "admin" } });
  await changeUser(context, admin, { id: admin.actorId, changes: { role: "user" } });
  await deleteUser(context, admin, userId);
  await forgetExpiredCredentials(context);
}

/** Rules of every kind, changed, read, explained and taken away. */
async function useRules(
  { context }: ControlServices,
  admin: ActingUser,
  consoleId: string,
): Promise<void> {
  const everyone = { kind: "everyone" as const };
  const scope = { source: "static", project: "p", tag: "t", name: "b*" };
  const ids: string[] = [];
  for (const match of [{ consoleId }, scope, {}, { tag: "t" }]) {
    const rule = await grantAccess(context, admin, { subject: everyone, match, level: "own" });
    ids.push(rule.ok ? rule.value.id : "");
  }
  const [ofConsole = "", ofScope = ""] = ids;
  await changeAccess(context, admin, { id: ofScope, match: { project: "p" } });
  await changeConsole(context, admin, { id: consoleId, changes: { tags: ["t"], project: "p" } });
  await readRule(context, ofConsole);
  for (const after of [null, { createdAtMs: 1, id: "acr" }]) {
    for (const subjectId of [undefined, "everyone"]) {
      for (const about of [undefined, consoleId]) {
        await pageRules(context, { subjectId, consoleId: about, after, limit: 2 });
      }
    }
    await pageRulesOfConsole(context, admin, { consoleId, after, limit: 2 });
  }
  await explainAccess(context, { userId: admin.actorId, consoleId });
  await revokeAccess(context, admin, ofScope);
}

/** Consoles and sessions as a user and as an admin sees them, with every filter. */
async function useLists(
  { context }: ControlServices,
  admin: ActingUser,
  consoleId: string,
): Promise<void> {
  const filters = [
    ...[{}, { name: "b" }, { namePrefix: "b" }, { source: "static" }, { project: "p" }],
    ...[{ tag: "t" }, { project: "p", source: "static" }, { tag: "t", namePrefix: "b" }],
  ];
  for (const caller of [admin, { ...admin, permissions: permissionsOf("user") }]) {
    await readConsole(context, caller, consoleId);
    for (const filter of filters) {
      for (const after of [null, { name: "a", id: "con" }]) {
        await pageConsoles(context, caller, { filter, after, limit: 2 });
      }
    }
  }
}

/** A link, opened and revoked. */
async function useShares(
  { context }: ControlServices,
  admin: ActingUser,
  consoleId: string,
): Promise<void> {
  const wish = { consoleId, expiresInS: 60, usesMax: 2 };
  const issued = await issueShare(context, admin, wish);
  const { share, url } = issued.ok ? issued.value : { share: { id: "" }, url: "" };
  await openShare(context, admin, { token: url.split("#")[1] ?? "", way: "tls" });
  for (const caller of [admin, { ...admin, permissions: permissionsOf("user") }]) {
    await readShare(context, caller, share.id);
    for (const after of [null, { createdAtMs: 1, id: "shr" }]) {
      for (const of of [undefined, consoleId]) {
        await pageShares(context, caller, { consoleId: of, after, limit: 2 });
      }
    }
  }
  await revokeShare(context, admin, { id: share.id, endSessions: true });
}

async function useRelay(
  services: ControlServices,
  relayId: string,
  sessionId: string,
): Promise<void> {
  const { context } = services;
  await readRelay(context, relayId);
  await pageRelays(context, { afterName: null, limit: 2 });
  await pageRelays(context, { afterName: "a", limit: 2 });
  await welcomeRelay(context, relayId, {
    build: "test",
    channelsMax: 10,
    draining: false,
    enforces: [],
  });
  await markRelayServing(context, relayId, true);
  await storeRelayEvents(context, relayId, "stream", [
    { seq: 1, atMs: 1, event: { type: "session.opened", sessionId, clientAddress: "192.0.2.1" } },
    { seq: 2, atMs: 1, event: { type: "relay.snapshot", sessionIds: [sessionId] } },
  ]);
  await expireSessions(context, relayId);
  await markRelayOffline(context, relayId, "lost");
  await endSessionsOfLostRelay(context, relayId);
}

interface Step {
  readonly detail: string;
  /** The step that it is a part of. */
  readonly parent: number;
}

/** Sessions as a user and as an admin sees and ends them, and their feed. */
async function useSessions(
  { context }: ControlServices,
  given: {
    readonly admin: ActingUser;
    readonly consoleId: string;
    readonly relayId: string;
    readonly sessionId: string;
  },
): Promise<void> {
  const { admin, consoleId, relayId, sessionId } = given;
  for (const caller of [admin, { ...admin, permissions: permissionsOf("user") }]) {
    for (const after of [null, { createdAtMs: 1, id: "ses" }]) {
      for (const filter of sessionFilters({ consoleId, relayId, userId: admin.actorId })) {
        await pageSessions(context, caller, { filter, after, limit: 2 });
      }
    }
    await readSession(context, caller, sessionId);
    await followBriefly(context, caller);
  }
  await sweepSessionFeed(context);
  await terminateSessionsOfUser(context, admin, admin.actorId);
  await terminateSessionsOfConsole(context, admin, consoleId);
}

/** Every filter alone and with each state. */
function sessionFilters(ids: Readonly<Record<string, string>>): SessionFilter[] {
  const subjects = [{}, ...Object.entries(ids).map(([name, id]) => ({ [name]: id }))];
  const states = [undefined, "live", "pending", "active", "ended"] as const;
  return subjects.flatMap((subject) =>
    states.flatMap((state) => [
      { ...subject, state },
      { ...subject, state, fromMs: 1, toMs: 2 },
    ]),
  );
}

async function followBriefly(context: ServiceContext, caller: TicketCaller): Promise<void> {
  const following = {
    afterSeq: 0,
    sleep: async () => false,
    isStillAllowed: async () => true,
  };
  for await (const item of followSessions(context, caller, following)) {
    expect(item.kind).not.toBe("ended");
  }
}

/** The parts of a plan that grow with a table instead of with the answer. */
function expensiveSteps(sql: string, steps: readonly Step[]): string[] {
  return steps
    .filter(
      (step) =>
        (step.detail.startsWith("SCAN ") && !scansLittle(sql, step)) ||
        (step.detail.includes("FOR ORDER BY") && !sortsLittle(sql, step, steps)),
    )
    .map(({ detail }) => detail);
}

function scansLittle(sql: string, { detail }: Step): boolean {
  return SCANS_LITTLE.test(detail) || SCANS_TO_LIMIT.test(detail) || isFirstPage(sql);
}

function sortsLittle(sql: string, { parent }: Step, steps: readonly Step[]): boolean {
  const others = steps.filter((step) => step.parent === parent);
  return (
    SORTS_LITTLE.some((pattern) => pattern.test(sql)) ||
    others.some(({ detail }) => SCANS_BOUNDED.test(detail))
  );
}

/** What a statement has bounded itself, by the names that statements give it. */
const SCANS_BOUNDED = /^SCAN (?:page|candidate|target|owned|walked|next)$/;

/** The same, without a name, lists of arguments, and relays, which are few and which metrics count. */
const SCANS_LITTLE =
  /^SCAN (?:relays\b|CONSTANT ROW|\(subquery-\d+\)|(?:page|candidate|target|owned|walked|next)$|json_each|\w+ VIRTUAL|wanted|ahead|webhooks)/;

/** The first page of everything: an index is read from its end, as far as the limit goes. */
const SCANS_TO_LIMIT =
  /USING (?:COVERING )?INDEX (?:consoles_by_name|users_by_username|(?:sessions|access_rules|shares)_by_created|sessions_live|audit_events_unchained)$/;

/** As above, of lists whose order is a key's own. */
function isFirstPage(sql: string): boolean {
  return !sql.includes(" where ") && sql.endsWith(" limit ?");
}

/**
 * A relay has eight streams at most, and few sessions that wait to be opened; a console, few rules; a
 * subject, sixteen policies.
 */
const SORTS_LITTLE = [
  /from "webhooks" order by/,
  // Of audit events those are sorted that a bounded subquery chose.
  /from \(select .* limit \?\) "ahead" cross join/,
  /AS wanted cross join "audit_events" where .* IN \(select .* limit \?\)/,
  /where \(?"policy_attachments"."subject_id" = \?( and "policy_attachments"."id" > \?\))? order/,
  /from "relay_streams"/,
  /order by "tickets"\."expires_at_ms" asc limit \?$/,
  /from "access_rules" .* where \(?"access_rules"\."id" IN \(/s,
];

describe("what the services ask of the database", () => {
  it("is answered through indexes, in the order that they keep", async () => {
    await using services = await startControlServices();
    const { statements, requests } = listen();
    await useEverything(services);
    const [request] = requests;
    const authToken = request?.headers.get("Authorization")?.replace(/^Bearer /, "") ?? "";
    const client = createClient({ url: new URL(request?.url ?? "").origin, authToken });
    const expensive: Record<string, string[]> = {};
    const asked = [...statements].filter((sql) => /^(select|update|delete|with)/i.test(sql));
    for (const sql of asked) {
      const args = [...sql.matchAll(/\?/g)].map(() => 1);
      const plan = await client.execute({ sql: `EXPLAIN QUERY PLAN ${sql}`, args });
      const steps = expensiveSteps(
        sql,
        plan.rows.map((row) => ({
          detail: row["detail"] as string,
          parent: Number(row["parent"]),
        })),
      );
      if (steps.length > 0) {
        expensive[sql] = steps;
      }
    }
    expect(asked.length).toBeGreaterThan(40);
    expect(expensive).toEqual({});
  });

  it("takes a few round trips for a message of events, however many sessions they are about", async () => {
    await using services = await startControlServices();
    const { context } = services;
    const admin = await services.makeCaller("admin", "admin");
    const relayId = await services.makeRelay("relay");
    const input = { name: "a", host: "10.0.0.5", port: 5900, source: "static" };
    const created = await createConsole(context, admin, input);
    const consoleId = created.ok ? created.value.id : "";
    const events: NumberedEvent[] = [];
    for (let atMs = 1; events.length + 2 <= EVENTS_PER_MESSAGE_MAX; atMs += 1) {
      const issued = await issueTicket(context, admin, consoleId);
      const sessionId = issued.ok ? issued.value.sessionId : "";
      events.push(
        numbered(events, atMs, { type: "session.opened", sessionId, clientAddress: "192.0.2.1" }),
      );
      events.push(
        numbered(events, atMs, {
          type: "session.ended",
          sessionId,
          reason: "client-closed",
          detail: "",
          clientBytes: atMs,
          serverBytes: atMs,
        }),
      );
    }
    const { requests } = listen();
    expect(await storeRelayEvents(context, relayId, "stream", events)).toBe(events.length);
    expect(requests.length).toBeLessThanOrEqual(ROUND_TRIPS_MAX);
    const page = await pageSessions(context, admin, { after: null, limit: events.length });
    const bytes = page.items.map(({ state, clientBytes }) => [state, clientBytes]);
    expect(bytes).toHaveLength(events.length / 2);
    expect(bytes).toEqual(
      expect.arrayContaining([
        ["ended", 1],
        ["ended", events.length / 2],
      ]),
    );
  });
});

function numbered(before: readonly unknown[], atMs: number, event: RelayEvent): NumberedEvent {
  return { seq: before.length + 1, atMs, event };
}

/** Far below what a database at 50 ms needs to miss the hub's deadline for storing. */
const ROUND_TRIPS_MAX = 16;
