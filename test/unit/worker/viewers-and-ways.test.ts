import { describe, expect, it } from "vitest";
import type { RelayEvent } from "#shared/control/contract.ts";
import { DEFAULT_POLICY } from "#shared/policy/policy.ts";
import { pseudoHost, sessionLabel } from "#shared/ticket/session-label.ts";
import { hashTicket } from "#shared/ticket/ticket.ts";
import { parseVvFile } from "#shared/ticket/vv-file.ts";
import { pageAuditTrail } from "../../../worker/services/audit-trail.ts";
import { findRelay } from "../../../worker/repositories/relays.ts";
import { fetchConsoleFile } from "../../../worker/services/console-files.ts";
import { changeConsole } from "../../../worker/services/consoles.ts";
import { storeRelayEvents } from "../../../worker/services/relay-events.ts";
import {
  endSessionsOfLostRelay,
  markRelayOffline,
  markRelayServing,
  welcomeRelay,
} from "../../../worker/services/relay-presence.ts";
import { issueTicket } from "../../../worker/services/tickets.ts";
import { type ControlServices } from "../../harness/control-services.ts";
import {
  anonymous,
  auditTypes,
  holdConsole,
  issue,
  readGrant,
  tokenOf,
} from "./tickets-fixture.ts";

describe("a console that somebody has open", () => {
  /** A user's session, open on the first relay. */
  async function openSession(held: Awaited<ReturnType<typeof holdConsole>>) {
    const { services, consoleId } = held;
    const owner = await services.makeCaller("owner", "user");
    await services.grant(owner, consoleId);
    const { sessionId } = await issue(services, owner, consoleId);
    const [push] = services.pushes;
    await report(services, push?.relayId ?? "", opened(sessionId));
    return { owner, sessionId };
  }

  it("is refused to a second viewer, who learns since when, and to an admin, who learns who", async () => {
    await using held = await holdConsole(["one"]);
    const { services, admin, consoleId } = held;
    const { owner, sessionId } = await openSession(held);
    const stranger = await services.makeCaller("stranger", "user");
    await services.grant(stranger, consoleId);
    const detailFor = async (caller: typeof admin) => {
      const refused = await issueTicket(services.context, caller, consoleId);
      expect(refused).toMatchObject({ ok: false, error: { code: "console.in-use" } });
      return refused.ok ? "" : refused.error.detail;
    };
    const since = "it open since 2026-01-01T12:00:00.500Z";
    const advice = `To end that: npx kerbside terminate ${sessionId}.`;
    expect(await detailFor(stranger)).toBe(`Somebody else has ${since}.`);
    expect(await detailFor(admin)).toBe(`owner has ${since}. ${advice}`);
    expect(await detailFor(owner)).toBe(`You have ${since}. ${advice}`);
    expect(services.pushes).toHaveLength(1);
    const { items: denied } = await pageAuditTrail(services.context, {
      filter: { consoleId, types: ["ticket.denied"] },
      after: null,
      limit: 10,
    });
    expect(denied.map(({ data }) => JSON.parse(data))).toEqual(
      [1, 2, 3].map(() => ({ code: "console.in-use", heldBy: sessionId })),
    );
    expect(new Set(denied.map(({ actorId }) => actorId))).toEqual(
      new Set([owner.actorId, stranger.actorId, admin.actorId]),
    );
  });

  it("is free again once that session has ended", async () => {
    await using held = await holdConsole(["one"]);
    const { services, admin, consoleId } = held;
    const { sessionId } = await openSession(held);
    await report(services, services.pushes[0]?.relayId ?? "", ended(sessionId), 2);
    expect((await issue(services, admin, consoleId)).sessionId).not.toBe(sessionId);
  });

  it("is given to a second viewer by policy, and the first one's relay ends it once", async () => {
    await using held = await holdConsole(["one", "two"]);
    const { services, admin, consoleId } = held;
    const change = { id: consoleId, changes: { policy: { secondViewer: "take-over" as const } } };
    await changeConsole(services.context, admin, change);
    const { sessionId: first } = await openSession(held);
    const firstRelay = services.pushes[0]?.relayId ?? "";
    const secondRelay = held.relayIds.find((id) => id !== firstRelay) ?? "";
    services.answerPushes(firstRelay, { code: "relay.draining", detail: "" });
    const { sessionId: second } = await issue(services, admin, consoleId);
    expect(services.pushes.at(-1)?.relayId).toBe(secondRelay);
    for (const seq of [1, 1, 2]) {
      await report(services, secondRelay, opened(second), seq);
    }
    const orders = services.pushes.filter(({ command }) => command.kind === "terminate");
    expect(orders).toEqual([
      {
        relayId: firstRelay,
        command: {
          kind: "terminate",
          sessionId: first,
          reason: `another session has its console: ${second}`,
          cause: "taken-over",
        },
      },
    ]);
    expect(await auditTypes(services, first)).toContain("session.superseded");
  });

  it("stays with whoever got it while the first one's relay was thought lost", async () => {
    await using held = await holdConsole(["one", "two"]);
    const { services, admin, consoleId } = held;
    const { sessionId: first } = await openSession(held);
    const firstRelay = services.pushes[0]?.relayId ?? "";
    const secondRelay = held.relayIds.find((id) => id !== firstRelay) ?? "";
    await markRelayOffline(services.context, firstRelay, "lost");
    await endSessionsOfLostRelay(services.context, firstRelay);
    const { sessionId: second } = await issue(services, admin, consoleId);
    await report(services, secondRelay, opened(second));
    const alive: RelayEvent = { type: "relay.snapshot", sessionIds: [first] };
    await report(services, firstRelay, alive, 2);
    const reason = `another session has its console: ${second}`;
    expect(services.pushes.at(-1)).toEqual({
      relayId: firstRelay,
      command: { kind: "terminate", sessionId: first, reason, cause: "terminated" },
    });
    const trail = await auditTypes(services, first);
    expect(trail).toEqual(expect.arrayContaining(["session.resumed", "session.superseded"]));
    expect(await auditTypes(services, second)).not.toContain("session.superseded");
  });
});

describe("a console's policy and proxy", () => {
  it("travel in the grant, the policy's other rules by default", async () => {
    await using held = await holdConsole(["one"]);
    const { services, admin, consoleId } = held;
    const changes = {
      proxy: "http://pve:3128",
      password: "again",
      policy: { idleS: 60, firewall: "observe" as const },
    };
    await changeConsole(services.context, admin, { id: consoleId, changes });
    await issue(services, admin, consoleId);
    const grant = await readGrant(services, 0);
    expect(grant.target.proxy).toBe("http://pve:3128");
    expect(grant.policy).toEqual({ ...DEFAULT_POLICY, idleS: 60, firewall: "observe" });
  });
});

describe("a relay that drains", () => {
  it("is not asked, and the detail says so when there is no other", async () => {
    await using held = await holdConsole(["one"]);
    const { services, admin, consoleId, relayIds } = held;
    await markRelayServing(services.context, relayIds[0] ?? "", true);
    expect(await issueTicket(services.context, admin, consoleId)).toEqual({
      ok: false,
      error: {
        code: "console.no-relay",
        detail: "No relay of the site default can take it: 1 draining (one).",
      },
    });
    expect(services.pushes).toEqual([]);
    await markRelayServing(services.context, relayIds[0] ?? "", false);
    expect((await issueTicket(services.context, admin, consoleId)).ok).toBe(true);
  });

  it("is passed over when it begins to just then", async () => {
    await using held = await holdConsole(["one", "two"]);
    const { services, admin, consoleId, relayIds } = held;
    const failure = { code: "relay.draining", detail: "" } as const;
    services.answerPushes(relayIds[0] ?? "", failure);
    expect((await issueTicket(services.context, admin, consoleId)).ok).toBe(true);
    services.answerPushes(relayIds[1] ?? "", failure);
    const refused = await issueTicket(services.context, admin, consoleId);
    expect(refused.ok ? "" : refused.error.detail).toContain("one: relay.draining");
  });

  it("is shown and audited once each time that it turns", async () => {
    await using held = await holdConsole(["one"]);
    const { services, relayIds } = held;
    const relayId = relayIds[0] ?? "";
    const hello = { build: "test", channelsMax: 10, enforces: [] };
    for (const draining of [true, true, false]) {
      await markRelayServing(services.context, relayId, draining);
      await welcomeRelay(services.context, relayId, { ...hello, draining });
    }
    await welcomeRelay(services.context, relayId, { ...hello, draining: true });
    const { items: records } = await pageAuditTrail(services.context, {
      filter: { relayId },
      after: null,
      limit: 100,
    });
    const turns = records.map(({ type }) => type).filter((type) => type !== "relay.online");
    expect(turns.sort()).toEqual(["relay.draining", "relay.draining", "relay.serving"]);
    expect(await findRelay(services.context.database, relayId)).toMatchObject({ draining: true });
  });
});

describe("the way in by HTTP CONNECT", () => {
  const hello = { build: "test", channelsMax: 10, draining: false, enforces: [] };

  async function fileBy(held: Awaited<ReturnType<typeof holdConsole>>, way: "tls" | "connect") {
    const { services, admin, consoleId } = held;
    const issued = await issueTicket(services.context, admin, consoleId, way);
    if (!issued.ok) {
      throw new Error(issued.error.detail);
    }
    const file = await fetchConsoleFile(services.context, anonymous, tokenOf(issued.value));
    const fields = file.ok ? parseVvFile(file.value.text) : file;
    if (!fields.ok) {
      throw new Error("the console file cannot be read");
    }
    return fields.value;
  }

  it.each([
    ["relay.example", "http://relay.example:3128"],
    ["2001:db8::1", "http://[2001:db8::1]:3128"],
  ])("names the session in the file's host, and the relay %s as the proxy", async (host, proxy) => {
    await using held = await holdConsole(["one"]);
    const advertised = { host, tlsPort: 5901, connectPort: 3128 };
    await welcomeRelay(held.services.context, held.relayIds[0] ?? "", { ...hello, advertised });
    const file = await fileBy(held, "connect");
    const { ticketHash } = await readGrant(held.services, 0);
    expect(file).toMatchObject({
      host: pseudoHost(await sessionLabel(ticketHash)),
      tlsPort: 5901,
      proxy,
      hostSubject: "CN=one",
    });
    expect(await hashTicket(file.password)).toBe(ticketHash);
    expect(await fileBy(held, "tls")).not.toHaveProperty("proxy");
  });

  it("is refused while no relay has the port, and the way by TLS goes on", async () => {
    await using held = await holdConsole(["one"]);
    const { services, admin, consoleId } = held;
    expect(await issueTicket(services.context, admin, consoleId, "connect")).toMatchObject({
      ok: false,
      error: {
        detail: "No relay of the site default can take it: 1 without a --connect-port (one).",
      },
    });
    expect(await fileBy(held, "tls")).toMatchObject({ host: "one.relay.test" });
  });

  it("is closed by a hello without the port; a file of before then goes by TLS", async () => {
    await using held = await holdConsole(["one"]);
    const { services, admin, consoleId } = held;
    const relayId = held.relayIds[0] ?? "";
    const advertised = { host: "relay.example", tlsPort: 5901 };
    const withPort = { ...hello, advertised: { ...advertised, connectPort: 3128 } };
    await welcomeRelay(services.context, relayId, withPort);
    const issued = await issueTicket(services.context, admin, consoleId, "connect");
    await welcomeRelay(services.context, relayId, { ...hello, advertised });
    const token = issued.ok ? tokenOf(issued.value) : "";
    const file = await fetchConsoleFile(services.context, anonymous, token);
    const fields = file.ok ? parseVvFile(file.value.text) : file;
    expect(fields).toMatchObject({ ok: true, value: { host: "relay.example" } });
  });
});

const opened = (sessionId: string): RelayEvent => ({
  type: "session.opened",
  sessionId,
  clientAddress: "192.0.2.7",
});

const ended = (sessionId: string): RelayEvent => ({
  type: "session.ended",
  sessionId,
  reason: "client-closed",
  detail: "",
  clientBytes: 1,
  serverBytes: 1,
});

async function report(services: ControlServices, relayId: string, event: RelayEvent, seq = 1) {
  const atMs = services.context.nowMs();
  await storeRelayEvents(services.context, relayId, "stream", [{ seq, atMs, event }]);
}
