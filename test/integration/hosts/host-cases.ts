/** What every host of the control plane promises, written once and run against each. */
import { describe, expect, it } from "vitest";
import { parseVvFile } from "#shared/ticket/vv-file.ts";
import type { ControlClient } from "../../harness/control-client.ts";
import { eventually } from "../../harness/deadline.ts";
import { FakeSpiceClient } from "../../harness/relay/fake-spice-client.ts";
import { startFakeServer } from "../../harness/relay/fake-spice-server.ts";
import { LinkedRelay } from "../../harness/linked-relay.ts";
import { type HostKind, HostPlace } from "../../harness/running-host.ts";
import { readServerEvents } from "../../harness/server-events.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";
import { kerbside } from "../../unit/cli/kerbside-command.ts";

export function describeHost(kind: HostKind): void {
  describe(kind.name, () => {
    it(
      "takes a console from the enrolment of its relay to the audit trail",
      { timeout: TEST_TIMEOUT_MS },
      async () => {
        await using place = await HostPlace.make(kind);
        const { client } = await place.start();
        expect(await healthOf(client)).toEqual({ status: 200, body: { status: "ok" } });
        await using relay = await LinkedRelay.start(client, place.file("relay"));
        expect(await client.stateOfRelay(relay.id)).toBe("online");
        await using server = await startFakeServer({ password: "of the hypervisor" });
        const consoleId = await client.createConsole("smoke", {
          port: server.port,
          password: "of the hypervisor",
        });

        const ticket = await client.requestTicket(consoleId);
        const viewer = await openConsole(client, await client.fetchVv(ticket));
        await server.nextChannel();
        await client.sessionIn(ticket.sessionId, "active");
        expect(await sessionIds(client)).toContain(ticket.sessionId);
        viewer.destroy();
        expect((await client.sessionIn(ticket.sessionId, "ended")).endReason).toBe("client-closed");

        const trail = await client.audit({ sessionId: ticket.sessionId });
        expect(trail.map(({ type }) => type)).toEqual([
          "ticket.issued",
          "ticket.downloaded",
          "session.opened",
          "channel.opened",
          "channel.closed",
          "session.ended",
        ]);
      },
    );

    it(
      "runs its jobs by itself, and can prove its trail",
      { timeout: TEST_TIMEOUT_MS },
      async () => {
        await using place = await HostPlace.make(kind);
        const { client, password } = await place.start();
        for (const path of ["/readyz", "/api/docs", "/.well-known/jwks.json"]) {
          const { status } = await client.call("GET", `${client.url}${path}`);
          expect({ path, status }).toEqual({ path, status: 200 });
        }
        const jobs = await eventually(
          "every job has run",
          async () => {
            const found = await jobsOf(client);
            return found.every(({ succeededAt }) => succeededAt !== null) ? found : null;
          },
          { timeoutMs: 60_000 },
        );
        expect(jobs.filter(({ error }) => error !== null)).toEqual([]);
        expect(jobs.map(({ name }) => name)).toContain("sign-audit-checkpoint");
        const login = ["--url", client.url, "--username", "admin"];
        await using folder = await makeTempFolder();
        const verified = await kerbside(folder, ["audit", "verify", ...login], password);
        expect(verified).toMatchObject({ code: 0 });
        expect(verified.stdout).toMatch(/The newest checkpoint is \d+ of /);
      },
    );

    it("tells of a session as it changes", { timeout: TEST_TIMEOUT_MS }, async () => {
      await using place = await HostPlace.make(kind);
      const { client } = await place.start();
      await using _relay = await LinkedRelay.start(client, place.file("relay"));
      const consoleId = await client.createConsole("told", { port: 1 });
      const events = readServerEvents(await client.stream("/sessions/feed"));
      expect((await events.next()).value).toMatchObject({ event: "ready" });
      const { sessionId } = await client.requestTicket(consoleId);
      const told = (await events.next()).value;
      expect(told).toMatchObject({ event: "session" });
      expect(JSON.parse(told?.data ?? "")).toMatchObject({ id: sessionId, state: "pending" });
      await events.return(undefined);
    });

    it("keeps everything over a restart", { timeout: TEST_TIMEOUT_MS }, async () => {
      await using place = await HostPlace.make(kind);
      const first = await place.start();
      await using relay = await LinkedRelay.start(first.client, place.file("relay"));
      const consoleId = await first.client.createConsole("kept", { port: 1 });
      first.child.signal("SIGTERM");
      expect(await first.child.waitForExit()).toEqual({ code: 0, signal: null });
      expect(place.processes()).toEqual([]);

      const second = await place.start();
      expect(second.password).toBe(first.password);
      await relay.linkedTimes(2);
      expect(new Set(relay.hubEpochs).size, "the hub's storage is the same").toBe(1);
      const kept = await first.client.call("GET", `/consoles/${consoleId}`);
      expect(kept, "with the login of before").toMatchObject({ status: 200 });
      const ticket = await second.client.requestTicket(consoleId);
      expect((await second.client.session(ticket.sessionId)).state).toBe("pending");
    });
  });
}

interface JobView {
  readonly name: string;
  readonly succeededAt: string | null;
  readonly error: string | null;
}

async function jobsOf(client: ControlClient): Promise<readonly JobView[]> {
  const { json } = await client.call("GET", "/jobs");
  return (json as { items: JobView[] }).items;
}

async function healthOf(client: ControlClient): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(`${client.url}/healthz`);
  return { status: answer.status, body: await answer.json() };
}

/** Links the main channel as the console file tells. */
async function openConsole(client: ControlClient, vvText: string): Promise<FakeSpiceClient> {
  const parsed = parseVvFile(vvText);
  if (!parsed.ok) {
    throw new Error("the console file does not parse");
  }
  const { password, tlsPort, ca } = parsed.value;
  const viewer = await FakeSpiceClient.connect(tlsPort, ca);
  expect(await viewer.link(password), client.url).toBe("OK");
  return viewer;
}

async function sessionIds(client: ControlClient): Promise<string[]> {
  const { json } = await client.call("GET", "/sessions");
  return (json as { items: { id: string }[] }).items.map(({ id }) => id);
}

/** Two starts of a host, each with processes of its own, on a busy machine. */
const TEST_TIMEOUT_MS = 90_000;
