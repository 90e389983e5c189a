/** `npm run selfhost` when its parts die, and when it is told to end: what comes back, what is left. */
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Client, createClient } from "@libsql/client/web";
import { describe, expect, it } from "vitest";
import type { ControlClient } from "../../harness/control-client.ts";
import { eventually } from "../../harness/deadline.ts";
import { assertPortFree } from "../../../worker/dev/ports.ts";
import { LinkedRelay } from "../../harness/linked-relay.ts";
import { HostPlace, SELFHOST, SELFHOST_PARTS } from "../../harness/running-host.ts";

const PARTS = [
  { told: "workerd", runs: SELFHOST_PARTS.workerd },
  { told: "The database", runs: SELFHOST_PARTS.database },
];

describe("npm run selfhost whose parts are killed", { timeout: 90_000 }, () => {
  it.each(PARTS)("serves again, with all it knew: $told", async ({ told, runs }) => {
    await using place = await HostPlace.make(SELFHOST);
    const { child, client } = await place.start();
    await using relay = await LinkedRelay.start(client, place.file("relay"));
    const consoleId = await client.createConsole("kept", { port: 1 });
    for (const life of [1, 2]) {
      process.kill(place.processRunning(runs), "SIGKILL");
      await child.waitForOutput("stderr", new RegExp(`(${told} serves again[^]*){${life}}`));
    }
    expect(child.output("stderr")).toContain(`${told} ended (SIGKILL); it is started again in 100`);
    const ticket = await eventuallyTicket(client, consoleId);
    expect((await client.session(ticket.sessionId)).state).toBe("pending");
    expect(await client.stateOfRelay(relay.id)).toBe("online");
    expect(new Set(relay.hubEpochs).size, "the hub's storage is the same").toBe(1);
    expect(child.isExited).toBe(false);
  });

  it("keeps no transaction open that workerd began, which nobody could write beside", async () => {
    await using place = await HostPlace.make(SELFHOST);
    const { child } = await place.start();
    const database = databaseOf(place);
    const transaction = await database.transaction("write");
    await transaction.execute("SELECT 1");
    process.kill(place.processRunning(SELFHOST_PARTS.workerd), "SIGKILL");
    await child.waitForOutput("stderr", /workerd serves again/);
    await expect(transaction.execute("SELECT 1")).rejects.toThrow(/expired/);
    database.close();
  });

  it("fires the hubs' alarms after a restart: a relay that went meanwhile is found offline", async () => {
    await using place = await HostPlace.make(SELFHOST);
    const first = await place.start();
    const relay = await LinkedRelay.start(first.client, place.file("relay"));
    first.child.signal("SIGTERM");
    await first.child.waitForExit();
    await relay.process.stop("SIGKILL");

    const { client } = await place.start();
    // Nobody calls the hub: only its alarm, which was set in the life before, can tell.
    const [found] = await eventually(
      "the relay is offline",
      async () => {
        const events = await client.audit({ relayId: relay.id, type: "relay.offline" });
        return events.length > 0 ? events : null;
      },
      { timeoutMs: 30_000, intervalMs: 100 },
    );
    expect(found?.data).toEqual({ code: "control-plane-restarted" });
    expect(await client.stateOfRelay(relay.id)).toBe("offline");
  });

  it("ends with a clear sentence when a part ends over and over", async () => {
    await using place = await HostPlace.make(SELFHOST);
    const { child } = await place.start();
    await writeFile(join(place.stateDir, "workerd/config.capnp"), "this is no configuration");
    process.kill(place.processRunning(SELFHOST_PARTS.workerd), "SIGKILL");
    expect(await child.waitForExit(60_000)).toEqual({ code: 1, signal: null });
    expect(child.output("stderr")).toMatch(
      /kerbside: workerd ended \d times within 60 s, at last with exit code 1: it is not started/,
    );
    expect(place.processes()).toEqual([]);
  });
});

describe("npm run selfhost that ends", { timeout: 60_000 }, () => {
  it.each(["SIGTERM", "SIGINT"] as const)(
    "leaves no process and no lock behind, though a relay holds on: %s",
    async (signal) => {
      await using place = await HostPlace.make(SELFHOST);
      const { child, client } = await place.start();
      await using _relay = await LinkedRelay.start(client, place.file("relay"));
      child.signal(signal);
      expect(await child.waitForExit(20_000)).toEqual({ code: 0, signal: null });
      expect(place.processes()).toEqual([]);
      await assertPortFree({ port: place.port, flag: "--port" });
    },
  );

  it("leaves no process behind when it is killed itself, and starts again", async () => {
    await using place = await HostPlace.make(SELFHOST);
    const { child, client } = await place.start();
    await using relay = await LinkedRelay.start(client, place.file("relay"));
    expect(place.processes()).toHaveLength(3);
    process.kill(place.processRunning(SELFHOST_PARTS.supervisor), "SIGKILL");
    await child.waitForExit();
    await eventually("all are gone", () => (place.processes().length === 0 ? true : null));
    await assertPortFree({ port: place.port, flag: "--port" });
    await place.start();
    await relay.linkedTimes(2);
  });

  it("leaves no process behind when it is stopped while it starts", async () => {
    await using place = await HostPlace.make(SELFHOST);
    const child = await place.begin();
    await child.waitForOutput("stderr", /Preparing/);
    child.signal("SIGTERM");
    expect(await child.waitForExit(20_000)).toEqual({ code: 0, signal: null });
    expect(place.processes()).toEqual([]);
  });
});

/** A client of the host's database, with the token that its processes have. */
function databaseOf(place: HostPlace): Client {
  const pid = place.processRunning(SELFHOST_PARTS.database);
  const read = (name: string): string[] => readFileSync(`/proc/${pid}/${name}`, "utf8").split("\0");
  const [, authToken = ""] = /^LIBSQL_AUTH_TOKEN=(.*)$/m.exec(read("environ").join("\n")) ?? [];
  const words = read("cmdline");
  const port = words[words.indexOf("--port") + 1];
  return createClient({ url: `http://127.0.0.1:${port}`, authToken });
}

/** A ticket needs everything: the database, the hub, and the relay's word. */
async function eventuallyTicket(client: ControlClient, consoleId: string) {
  return await eventually(
    "a ticket is issued and acknowledged",
    async () => await client.requestTicket(consoleId).catch(() => null),
    { timeoutMs: 20_000, intervalMs: 100 },
  );
}
