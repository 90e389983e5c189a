/** What every host of the control plane promises, written once and run against each. */
import { describe, expect, it } from "vitest";
import { parseVvFile } from "#shared/ticket/vv-file.ts";
import type { ControlClient } from "../../harness/control-client.ts";
import { FakeSpiceClient } from "../../harness/relay/fake-spice-client.ts";
import { startFakeServer } from "../../harness/relay/fake-spice-server.ts";
import { LinkedRelay } from "../../harness/linked-relay.ts";
import { type HostKind, HostPlace } from "../../harness/running-host.ts";

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
