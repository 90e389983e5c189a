/** Webhooks against a real receiver that fails in all ways. */
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { sql } from "drizzle-orm";
import { afterEach, describe, expect, it, vi } from "vitest";
import { makeCheckpoint } from "../../../worker/services/audit-checkpoints.ts";
import { applyRetention } from "../../../worker/services/audit-retention.ts";
import { attemptDelivery } from "../../../worker/services/webhook-attempt.ts";
import {
  pageDeliveries,
  redrive,
  testWebhook,
} from "../../../worker/services/webhook-deliveries.ts";
import { deliverWebhooks } from "../../../worker/services/webhook-delivery.ts";
import {
  changeWebhook,
  createWebhook,
  readWebhook,
  rotateWebhookSecret,
} from "../../../worker/services/webhooks.ts";
import { storeRelayTrail } from "../../harness/audit-trail.ts";
import { startControlServices } from "../../harness/control-services.ts";
import {
  answer,
  type Reaction,
  startWebhookReceiver,
  verifyMessage,
} from "../../harness/webhook-receiver.ts";

const HOUR_MS = 60 * 60_000;

/** A webhook for relays' events, its receiver, and a clock. */
async function startScene(events: readonly string[] = ["relay.*"]) {
  const services = await startControlServices();
  const receiver = await startWebhookReceiver();
  const settings = {
    ...services.context.settings,
    publicUrl: "http://127.0.0.1:8787",
    auditRetentionMs: 24 * HOUR_MS,
  };
  const context = { ...services.context, settings };
  const admin = await services.makeCaller("admin", "admin");
  const url = `${receiver.url}?token=unguessable`;
  const made = await createWebhook(context, admin, { url, description: "", events });
  if (!made.ok) {
    throw new Error(JSON.stringify(made.error));
  }
  const { webhook, secret } = made.value;
  return {
    ...{ context, admin, receiver, secret, id: webhook.id },
    pass: (ms: number) => services.moveClock(ms),
    deliver: async () => await deliverWebhooks(context),
    read: async () => {
      const found = await readWebhook(context, webhook.id);
      return found.ok ? found.value : null;
    },
    deliveries: async () => {
      const page = await pageDeliveries(context, webhook.id, { after: null, limit: 50 });
      return page.ok ? page.value.items : [];
    },
    /** What arrived, event by event: the builds that relays told. */
    builds: () => receiver.received.flatMap(({ body }) => buildsOf(body)),
    dump: () => services.dumpDatabase(),
    [Symbol.asyncDispose]: async () => {
      await receiver[Symbol.asyncDispose]();
      await services[Symbol.asyncDispose]();
    },
  };
}

function buildsOf(body: string): string[] {
  const { data } = JSON.parse(body) as { data: { events: { data: { build: string } }[] } };
  return data.events.map((event) => event.data.build);
}

const namesTo = (count: number): string[] => Array.from({ length: count }, (_, i) => `b${i + 1}`);

afterEach(() => {
  vi.useRealTimers();
});

describe("a webhook", () => {
  it("gets what it asked for, in order and once, signed as Standard Webhooks says", async () => {
    await using scene = await startScene();
    const { context, receiver, secret, deliver, builds } = scene;
    await storeRelayTrail(context, "a", 3);
    await deliver();
    await deliver();
    expect(builds()).toEqual(namesTo(3));
    const [message] = receiver.received;
    if (message === undefined) {
      throw new Error("no message");
    }
    expect(message.path).toBe("/hook?token=unguessable");
    expect(message.headers).toMatchObject({
      "content-type": "application/json",
      "webhook-id": expect.stringMatching(/^msg_[A-Za-z0-9_-]{22}$/),
    });
    const nowS = context.nowMs() / 1000;
    expect(verifyMessage(secret, message, nowS)).toBe(true);
    expect(verifyMessage(secret, { ...message, body: `${message.body} ` }, nowS)).toBe(false);
    expect(verifyMessage(secret, message, nowS + HOUR_MS)).toBe(false);
    const { type, timestamp, data } = JSON.parse(message.body);
    expect([type, timestamp]).toEqual(["audit.events", new Date(context.nowMs()).toISOString()]);
    expect(data.events[0]).toMatchObject({
      ...{ type: "relay.online", writer: "relay:a", seq: 1, hash: expect.any(String) },
    });
    expect(await scene.read()).toMatchObject({ enabled: true, deliveredAtMs: context.nowMs() });
    expect(await scene.deliveries()).toEqual([]);
  });

  it("gets nothing of what was before it, and nothing that it did not ask for", async () => {
    await using scene = await startScene(["user.*"]);
    await storeRelayTrail(scene.context, "a", 3);
    await scene.deliver();
    expect(scene.receiver.received).toEqual([]);
    expect(await scene.read()).toMatchObject({ eventsBehind: 0 });
  });

  it("gets many events in few messages", async () => {
    await using scene = await startScene();
    await storeRelayTrail(scene.context, "a", 1_150);
    expect(await scene.deliver()).toEqual({ again: false });
    expect(scene.builds()).toEqual(namesTo(1_150));
    expect(scene.receiver.received).toHaveLength(6);
  });

  it("has its secret and its address nowhere in the trail, and its secret nowhere readable", async () => {
    await using scene = await startScene();
    const { context, admin, id, secret } = scene;
    await changeWebhook(context, admin, id, { url: `${scene.receiver.url}?token=another-one` });
    const dump = await scene.dump();
    expect(dump).not.toContain(secret);
    expect(dump).not.toContain(secret.slice("whsec_".length));
    const trail = dump.split("\n").filter((line) => line.startsWith("audit_events:"));
    expect(trail.join("\n")).not.toMatch(/unguessable|another-one/);
    expect(trail.join("\n")).toContain("webhook.created");
  });

  it("is signed with both secrets for a day after it got another one", async () => {
    await using scene = await startScene();
    const { context, admin, id, secret, receiver, pass } = scene;
    const rotated = await rotateWebhookSecret(context, admin, id);
    const fresh = rotated.ok ? rotated.value.secret : "";
    const check = async (): Promise<boolean[]> => {
      await storeRelayTrail(context, "a", 1);
      await scene.deliver();
      const message = receiver.received.at(-1);
      const nowS = context.nowMs() / 1000;
      return message === undefined
        ? []
        : [secret, fresh].map((known) => verifyMessage(known, message, nowS));
    };
    expect(await check()).toEqual([true, true]);
    pass(25 * HOUR_MS);
    expect(await check()).toEqual([false, true]);
  });
});

describe("a message that is not taken", () => {
  it("is tried again, the same, and holds up those behind it", async () => {
    await using scene = await startScene();
    const { context, receiver, deliver, pass } = scene;
    receiver.react(answer(500));
    await storeRelayTrail(context, "a", 2);
    await deliver();
    await storeRelayTrail(context, "b", 1);
    await deliver();
    expect(receiver.received).toHaveLength(1);
    expect(await scene.deliveries()).toMatchObject([
      { state: "retrying", attempts: 1, status: 500, error: "refused" },
    ]);
    pass(15_000);
    await deliver();
    expect(await scene.deliveries()).toMatchObject([{ state: "retrying", attempts: 2 }]);
    receiver.react(answer(200));
    pass(2 * 60_000);
    await deliver();
    const ids = receiver.received.map(({ headers }) => headers["webhook-id"]);
    expect(new Set(ids.slice(0, 3)).size).toBe(1);
    expect(receiver.received.map(({ body }) => buildsOf(body))).toEqual([
      ...Array.from({ length: 3 }, () => ["b1", "b2"]),
      ["b1"],
    ]);
    expect(await scene.deliveries()).toMatchObject([
      { state: "delivered", attempts: 3, error: null },
    ]);
  });

  it("need not wait for its next turn when the receiver is known to be back", async () => {
    await using scene = await startScene();
    const { context, admin, id, receiver, deliver, pass } = scene;
    receiver.react(answer(503));
    await storeRelayTrail(context, "a", 1);
    for (let hour = 0; hour < 4; hour += 1) {
      await deliver();
      pass(HOUR_MS);
    }
    await deliver();
    await storeRelayTrail(context, "b", 1);
    receiver.react(answer(200));
    const count = receiver.received.length;
    await deliver();
    expect(receiver.received).toHaveLength(count);
    const [waiting] = await scene.deliveries();
    expect(waiting).toMatchObject({ state: "retrying" });
    const delivery = { webhookId: id, id: waiting?.id ?? "" };
    expect(await redrive(context, admin, delivery)).toMatchObject({ ok: true });
    await deliver();
    // In its place before those that it held up.
    const sent = receiver.received.slice(count);
    expect(sent.map(({ headers }) => headers["webhook-id"])[0]).toBe(waiting?.id);
    expect(sent).toHaveLength(2);
    expect(await scene.deliveries()).toMatchObject([{ state: "delivered" }]);
  });

  it("is dead after a day; those behind it go on, and it can be driven again", async () => {
    await using scene = await startScene();
    const { context, admin, id, receiver, deliver, pass } = scene;
    receiver.react(answer(503));
    await storeRelayTrail(context, "a", 1);
    let hours = 0;
    for (; (await scene.deliveries())[0]?.state !== "dead"; hours += 1) {
      await deliver();
      pass(HOUR_MS);
    }
    expect(hours).toBeGreaterThan(20);
    expect(hours).toBeLessThan(40);
    expect(receiver.received).toHaveLength(10);
    receiver.react(answer(200));
    await storeRelayTrail(context, "b", 1);
    await deliver();
    expect(receiver.received).toHaveLength(11);
    const [dead] = await scene.deliveries();
    const deliveryId = dead?.id ?? "";
    expect(await redrive(context, admin, { webhookId: id, id: deliveryId })).toMatchObject({
      ok: true,
    });
    await deliver();
    expect(receiver.received).toHaveLength(12);
    expect(receiver.received.at(-1)?.headers["webhook-id"]).toBe(deliveryId);
    expect(await scene.deliveries()).toMatchObject([{ state: "delivered" }]);
    const again = await redrive(context, admin, { webhookId: id, id: deliveryId });
    expect(again).toMatchObject({ ok: false, error: { code: "resource.not-found" } });
  });

  it("disables its webhook when three died one after the other; enabled, it goes on", async () => {
    await using scene = await startScene();
    const { context, admin, id, receiver, deliver, pass } = scene;
    receiver.react(answer(503));
    for (let day = 1; (await scene.read())?.enabled === true; day += 1) {
      await storeRelayTrail(context, `day${day}`, 1);
      for (let hour = 0; hour < 30; hour += 1) {
        await deliver();
        pass(HOUR_MS);
      }
      expect(day).toBeLessThan(5);
    }
    expect(await scene.read()).toMatchObject({ enabled: false, disabledReason: "dead-letters" });
    const told = await context.database.all<{ data: string; subject_id: string }>(
      sql`SELECT data, subject_id FROM audit_events WHERE type = 'webhook.disabled'`,
    );
    expect(told.map(({ data }) => JSON.parse(data))).toEqual([
      { origin: new URL(receiver.url).origin, reason: "dead-letters" },
    ]);
    expect(told[0]?.subject_id).toBe(id);
    const count = receiver.received.length;
    await storeRelayTrail(context, "missed", 2);
    await deliver();
    expect(receiver.received).toHaveLength(count);
    receiver.react(answer(200));
    expect(await changeWebhook(context, admin, id, { enabled: true })).toMatchObject({ ok: true });
    await deliver();
    // What was held up when it was disabled, and what it has missed since.
    expect(buildsOf(receiver.received.at(-1)?.body ?? "").slice(-2)).toEqual(["b1", "b2"]);
    expect(await scene.read()).toMatchObject({ enabled: true, disabledReason: null });
  });

  it("disables its webhook at once when the receiver says that it is gone", async () => {
    await using scene = await startScene();
    scene.receiver.react(answer(410));
    await storeRelayTrail(scene.context, "a", 1);
    await scene.deliver();
    expect(await scene.read()).toMatchObject({ enabled: false, disabledReason: "gone" });
    expect(await scene.deliveries()).toMatchObject([{ state: "dead", status: 410 }]);
  });
});

/** What a receiver can do wrong, and how that is told. */
const FAILURES: Record<string, readonly [Reaction, object]> = {
  "an error": [answer(500), { status: 500, error: "refused" }],
  "a refusal": [answer(404), { status: 404, error: "refused" }],
  "too much": [answer(429, { "retry-after": "9999999" }), { status: 429, error: "refused" }],
  "a redirect": [answer(302, { location: "/elsewhere" }), { status: 302, error: "redirected" }],
  "a cut connection": [(response) => response.destroy(), { status: null, error: "unreachable" }],
  "no HTTP": [
    (response) => {
      response.socket?.end("SSH-2.0-OpenSSH\r\n");
    },
    { status: null, error: "unreachable" },
  ],
  "headers without end": [
    (response) => {
      response.socket?.write(`HTTP/1.1 200 OK\r\nx: ${"y".repeat(200_000)}`);
    },
    { status: null, error: "unreachable" },
  ],
};

describe("a receiver that fails by", () => {
  it.each(Object.entries(FAILURES))("%s is told so", async (_name, [reaction, outcome]) => {
    await using scene = await startScene();
    scene.receiver.react(reaction);
    await storeRelayTrail(scene.context, "a", 1);
    await scene.deliver();
    expect(await scene.deliveries()).toMatchObject([{ state: "retrying", ...outcome }]);
    expect(scene.receiver.received).toHaveLength(1);
  });

  it("an answer without end: the status counts, and the rest is not read", async () => {
    await using scene = await startScene();
    let written = 0;
    scene.receiver.react((response) => {
      response.writeHead(200);
      const pour = (): void => {
        while (!response.destroyed && response.write("x".repeat(64 * 1024))) {
          written += 1;
        }
      };
      response.on("drain", pour);
      pour();
    });
    await storeRelayTrail(scene.context, "a", 1);
    await scene.deliver();
    expect(await scene.deliveries()).toEqual([]);
    expect(written).toBeLessThan(500);
  });

  it("silence is given up after the deadline", async () => {
    await using receiver = await startWebhookReceiver();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const heard = new Promise<void>((resolve) => {
      receiver.react(() => resolve());
    });
    const attempt = attemptDelivery({}, receiver.url, { headers: {}, body: "{}" });
    await heard;
    vi.advanceTimersByTime(10_000);
    expect(await attempt).toEqual({ status: null, error: "timeout" });
  });

  it("not being there is told so", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => {
      server.close(resolve);
    });
    const url = `http://127.0.0.1:${port}/`;
    expect(await attemptDelivery({}, url, { headers: {}, body: "{}" })).toEqual({
      status: null,
      error: "unreachable",
    });
  });
});

describe("delivering", () => {
  it("at the same time as another run sends nothing twice and nothing out of order", async () => {
    await using scene = await startScene();
    await storeRelayTrail(scene.context, "a", 500);
    await Promise.all([scene.deliver(), scene.deliver(), scene.deliver()]);
    expect(scene.builds()).toEqual(namesTo(500));
  });

  it("goes on with one webhook while another one's receiver is away", async () => {
    await using scene = await startScene();
    const { context, admin, receiver } = scene;
    await using other = await startWebhookReceiver();
    const input = { url: other.url, description: "", events: ["*"] };
    await createWebhook(context, admin, input);
    receiver.react((response) => response.destroy());
    await storeRelayTrail(context, "a", 1);
    await scene.deliver();
    expect(other.received).toHaveLength(1);
  });

  it("is taken up again when a run died in the middle of it", async () => {
    await using scene = await startScene();
    const { context, pass } = scene;
    await storeRelayTrail(context, "a", 1);
    await context.database.run(
      sql`UPDATE webhooks SET lease_until_ms = ${context.nowMs() + 60_000}`,
    );
    await scene.deliver();
    expect(scene.builds()).toEqual([]);
    pass(60_000);
    await scene.deliver();
    expect(scene.builds()).toEqual(["b1"]);
  });

  it("is waited for by retention; a webhook that is disabled is not, and told what it missed", async () => {
    await using scene = await startScene();
    const { context, admin, id, receiver, pass } = scene;
    receiver.react(answer(500));
    await storeRelayTrail(context, "a", 1);
    await scene.deliver();
    // The first message holds these up.
    await storeRelayTrail(context, "b", 3);
    const retain = async (): Promise<number> => {
      for (let hour = 0; hour < 34; hour += 1) {
        pass(HOUR_MS);
        await makeCheckpoint(context);
        await applyRetention(context);
      }
      const [row] = await context.database.all<{ count: number }>(
        sql`SELECT count(*) AS count FROM audit_events WHERE writer = 'relay:b'`,
      );
      return row?.count ?? 0;
    };
    expect(await retain()).toBe(3);
    await changeWebhook(context, admin, id, { enabled: false });
    expect(await retain()).toBe(0);
    await changeWebhook(context, admin, id, { enabled: true });
    const [told] = await context.database.all<{ data: string }>(
      sql`SELECT data FROM audit_events WHERE type = 'webhook.enabled'`,
    );
    expect(JSON.parse(told?.data ?? "{}")["skipped"]).toBeGreaterThanOrEqual(3);
  });
});

describe("a test message", () => {
  it("tells at once what the receiver did", async () => {
    await using scene = await startScene();
    const { context, id, receiver, secret } = scene;
    expect(await testWebhook(context, id)).toEqual({
      ok: true,
      value: { status: 204, error: null },
    });
    const [message] = receiver.received;
    expect(JSON.parse(message?.body ?? "")).toMatchObject({
      type: "webhook.test",
      data: { events: [] },
    });
    expect(message !== undefined && verifyMessage(secret, message, context.nowMs() / 1000)).toBe(
      true,
    );
    receiver.react(answer(401));
    expect(await testWebhook(context, id)).toMatchObject({
      value: { status: 401, error: "refused" },
    });
  });
});
