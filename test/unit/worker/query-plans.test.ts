import { createClient } from "@libsql/client/web";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { NumberedEvent, RelayEvent } from "#shared/control/contract.ts";
import { EVENTS_PER_MESSAGE_MAX } from "#shared/control/limits.ts";
import { permissionsOf } from "../../../worker/identity/permissions.ts";
import { pageAuditTrail } from "../../../worker/services/audit-trail.ts";
import { fetchConsoleFile } from "../../../worker/services/console-files.ts";
import {
  changeConsole,
  createConsole,
  deleteConsole,
  pageConsoles,
  readConsole,
} from "../../../worker/services/consoles.ts";
import { announceDenial, denySubject, tendDenials } from "../../../worker/services/denials.ts";
import { expireSessions } from "../../../worker/services/expire-sessions.ts";
import { authenticate, logIn, logOut } from "../../../worker/services/login.ts";
import {
  issueJoinToken,
  pageJoinTokens,
  revokeJoinToken,
} from "../../../worker/services/join-tokens.ts";
import { storeRelayEvents } from "../../../worker/services/relay-events.ts";
import { lookUpGrant } from "../../../worker/services/relay-lookups.ts";
import {
  deleteRelay,
  disableRelay,
  drainRelay,
  enableRelay,
  patchRelay,
  resumeRelay,
} from "../../../worker/services/relay-lifecycle.ts";
import {
  auditRelayRefusal,
  endSessionsOfLostRelay,
  markRelayLoad,
  markRelayOffline,
  markRelayServing,
  welcomeRelay,
} from "../../../worker/services/relay-presence.ts";
import { pageRelays, readRelay, RELAY_STATES } from "../../../worker/services/relays.ts";
import { pageSessions, terminateSession } from "../../../worker/services/sessions.ts";
import {
  createSite,
  deleteSite,
  pageSites,
  patchSite,
  putSourceSite,
  readSite,
} from "../../../worker/services/sites.ts";
import { issueTicket } from "../../../worker/services/tickets.ts";
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
  const { loginId = "" } = (await authenticate(context, token)) ?? {};
  await logOut(context, admin, loginId);

  const input = { name: "a", host: "10.0.0.5", port: 5900, source: "static" };
  const created = await createConsole(context, admin, input);
  const consoleId = created.ok ? created.value.id : "";
  await changeConsole(context, admin, { id: consoleId, changes: { name: "b" } });
  await readConsole(context, admin, consoleId);
  for (const name of [undefined, "b"]) {
    for (const after of [null, { name: "a", id: "con" }]) {
      await pageConsoles(context, admin, { name, after, limit: 2 });
    }
  }
  const issued = await issueTicket(context, admin, consoleId);
  const { sessionId = "", vvUrl = "" } = issued.ok ? issued.value : {};
  await fetchConsoleFile(context, admin, vvUrl.split("/").at(-1) ?? "");
  await lookUpGrant(context, relayId, "h".repeat(43));
  for (const caller of [admin, { ...admin, permissions: permissionsOf("user") }]) {
    for (const after of [null, { createdAtMs: 1, id: "ses" }]) {
      await pageSessions(context, caller, { after, limit: 2 });
    }
  }
  await useDenials(services, { userId: admin.actorId, consoleId, sessionId });
  await useRelay(services, relayId, sessionId);
  await useSites(services);
  await useRelayLife(services, relayId);
  await terminateSession(context, admin, sessionId);
  await deleteConsole(context, admin, consoleId);
  const filters = [{}, { consoleId }, { sessionId }, { relayId }, { type: "relay.online" }];
  for (const filter of filters) {
    for (const after of [null, { atMs: 1, id: "aud" }]) {
      await pageAuditTrail(context, { filter, after, limit: 2 });
    }
  }
}

async function useDenials(
  services: ControlServices,
  ids: { readonly userId: string; readonly consoleId: string; readonly sessionId: string },
): Promise<void> {
  const { context } = services;
  const denier = await services.makeCaller("admin2", "admin");
  const reason = "test";
  await denySubject(context, denier, { subject: "user", id: ids.userId, reason });
  await denySubject(context, denier, { subject: "console", id: ids.consoleId, reason });
  await denySubject(context, denier, { subject: "session", id: ids.sessionId, reason });
  await denySubject(context, denier, { subject: "share", id: "shr", reason });
  await announceDenial(context, { subject: "user", id: ids.userId });
  await tendDenials(context);
}

async function useSites(services: ControlServices): Promise<void> {
  const { context } = services;
  const operator = await services.makeCaller("admin3", "admin");
  const made = await createSite(context, operator, {
    name: "syd",
    description: "",
    fallbackIds: ["sit_default"],
  });
  const id = made.ok ? made.value.id : "";
  await readSite(context, id);
  await patchSite(context, operator, { id, patch: { name: "mel", fallbackIds: [] } });
  await pageSites(context, { afterName: null, limit: 2 });
  await pageSites(context, { afterName: "a", limit: 2 });
  await putSourceSite(context, operator, { name: "static", siteId: id });
  await deleteSite(context, operator, id);
  await putSourceSite(context, operator, { name: "static", siteId: "sit_default" });
  const deleted = await deleteSite(context, operator, id);
  expect(deleted).toEqual({ ok: true, value: null });
  await issueJoinToken(context, operator, { siteId: "sit_default" });
  for (const after of [null, { createdAtMs: 1, id: "jtk" }]) {
    await pageJoinTokens(context, { after, limit: 2 });
  }
  await revokeJoinToken(context, operator, "jtk_none");
}

async function useRelayLife(services: ControlServices, relayId: string): Promise<void> {
  const { context } = services;
  const operator = await services.makeCaller("admin4", "admin");
  for (const afterName of [null, "a"]) {
    for (const state of RELAY_STATES) {
      await pageRelays(context, { filter: { state }, afterName, limit: 2 });
    }
    const filters = [{ siteId: "sit_default" }, { name: "relay" }];
    for (const filter of filters) {
      await pageRelays(context, { filter, afterName, limit: 2 });
    }
  }
  await patchRelay(context, operator, {
    id: relayId,
    patch: { name: "other", siteId: "sit_default" },
  });
  await drainRelay(context, operator, { id: relayId, deadlineS: 60 });
  await resumeRelay(context, operator, relayId);
  services.answerPushes(relayId, { code: "relay.version-unsupported", detail: "" });
  await disableRelay(context, operator, { id: relayId, endsSessions: true });
  services.answerPushes(relayId, null);
  await enableRelay(context, operator, relayId);
  const doomed = await services.makeRelay("doomed", { state: "offline" });
  const deleted = await deleteRelay(context, operator, doomed);
  expect(deleted).toEqual({ ok: true, value: null });
}

async function useRelay(
  services: ControlServices,
  relayId: string,
  sessionId: string,
): Promise<void> {
  const { context } = services;
  await readRelay(context, relayId);
  await pageRelays(context, { filter: {}, afterName: null, limit: 2 });
  await pageRelays(context, { filter: {}, afterName: "a", limit: 2 });
  await welcomeRelay(context, relayId, { build: "test", channelsMax: 10, draining: false });
  await markRelayServing(context, relayId, true);
  const load = { sessions: 1, channels: 2, bytesPerS: 3, cpuShare: 0.4, loopDelayMs: 5 };
  await markRelayLoad(context, relayId, { load, level: { level: 4, full: false } });
  await auditRelayRefusal(context, relayId, { code: "control.malformed", detail: "test" });
  await storeRelayEvents(context, relayId, "stream", [
    { seq: 1, atMs: 1, event: { type: "session.opened", sessionId, clientAddress: "192.0.2.1" } },
    { seq: 2, atMs: 1, event: { type: "relay.snapshot", sessionIds: [sessionId] } },
  ]);
  await expireSessions(context, relayId);
  await markRelayOffline(context, relayId, "lost");
  await endSessionsOfLostRelay(context, relayId);
}

/** The parts of a plan that grow with a table instead of with the answer. */
function expensiveSteps(sql: string, details: readonly string[]): string[] {
  const sortsLittle = SORTS_LITTLE.some((pattern) => pattern.test(sql));
  return details.filter(
    (detail) =>
      (detail.startsWith("SCAN ") && !isShortScan(detail) && !isFirstPage(sql)) ||
      (detail.includes("FOR ORDER BY") && !sortsLittle),
  );
}

/** Values of one parameter; a console's site and its fallbacks; indexes of what is wanted alone. */
function isShortScan(detail: string): boolean {
  return SHORT_SCANS.some((scan) => detail.startsWith(scan));
}

/** The first page of everything: an index is read from its end, as far as the limit goes. */
function isFirstPage(sql: string): boolean {
  const unconditional =
    !sql.includes(" where ") || /where "\w+"\."deleted_at_ms" is null order/.test(sql);
  return unconditional && sql.endsWith(" limit ?");
}

const SHORT_SCANS = [
  "SCAN json_each",
  "SCAN chain",
  "SCAN join_tokens USING INDEX join_tokens_pending",
  "SCAN relays USING INDEX relays_disabled",
  // Those that are past are swept every minute, so that the rest is the answer.
  "SCAN denials",
];

/**
 * A relay has eight streams at most, and few sessions that wait to be opened; a name is one relay's.
 */
const SORTS_LITTLE = [
  /from "relay_streams"/,
  /order by "tickets"\."expires_at_ms" asc limit \?$/,
  /"relays"\."name" = \?/,
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
    const asked = [...statements].filter((sql) => /^(select|update|delete)/i.test(sql));
    for (const sql of asked) {
      const args = [...sql.matchAll(/\?/g)].map(() => 1);
      const plan = await client.execute({ sql: `EXPLAIN QUERY PLAN ${sql}`, args });
      const steps = expensiveSteps(
        sql,
        plan.rows.map((row) => row["detail"] as string),
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
