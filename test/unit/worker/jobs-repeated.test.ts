/** Every job does the same whether it runs once, again and again, or beside itself. */
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { JOBS } from "../../../worker/jobs/jobs.ts";
import { createConsole } from "../../../worker/services/consoles.ts";
import { issueJoinToken } from "../../../worker/services/join-tokens.ts";
import { logIn } from "../../../worker/services/login.ts";
import { noteShownCertificate } from "../../../worker/services/relay-certificates.ts";
import { issueTicket } from "../../../worker/services/tickets.ts";
import { createWebhook } from "../../../worker/services/webhooks.ts";
import { makeCheckpoint } from "../../../worker/services/audit-checkpoints.ts";
import { storeRelayTrail } from "../../harness/audit-trail.ts";
import { startControlServices, TEST_PASSWORD } from "../../harness/control-services.ts";
import { denySubject } from "../../harness/deny-subject.ts";
import { startWebhookReceiver, type WebhookReceiver } from "../../harness/webhook-receiver.ts";
import { makeOwnCertificate } from "./own-certificate-fixture.ts";

const DAY_MS = 24 * 60 * 60_000;

let receiver: WebhookReceiver;

beforeAll(async () => {
  receiver = await startWebhookReceiver();
});

afterAll(async () => {
  await receiver[Symbol.asyncDispose]();
});

/** A control plane in which each job has something to do. */
async function startScene() {
  const services = await startControlServices();
  const settings = {
    ...services.context.settings,
    publicUrl: "http://127.0.0.1:8787",
    auditRetentionMs: 10 * DAY_MS,
  };
  const context = { ...services.context, settings };
  const { database } = context;
  const admin = await services.makeCaller("admin", "admin");
  const relayId = await services.makeRelay("one");
  await storeRelayTrail(context, "old", 30);
  await makeCheckpoint(context);
  services.moveClock(11 * DAY_MS);
  await makeCheckpoint(context);
  await logIn(context, admin, { username: "admin", password: TEST_PASSWORD });
  await issueJoinToken(context, admin);
  await denySubject(context, admin, { subject: "share", id: "shr_old", reason: "test" });
  const input = { name: "a", host: "10.0.0.5", port: 5900, source: "static" };
  const created = await createConsole(context, admin, input);
  await issueTicket(context, admin, created.ok ? created.value.id : "");
  const hook = { url: receiver.url, description: "", events: ["relay.*"] };
  await createWebhook(context, admin, hook);
  const [nowMs, lifeMs] = [context.nowMs(), 28 * DAY_MS];
  const own = await makeOwnCertificate({ host: "one.relay.test", nowMs, lifeMs });
  await noteShownCertificate(context, relayId, { own });
  services.moveClock(8 * DAY_MS);
  await storeRelayTrail(context, "new", 30);
  await database.run(sql`INSERT INTO audit_events (id, at_ms, type, actor_kind, data)
    VALUES ('aud_old', 1, 'user.logged-out', 'user', '{}')`);
  await database.run(sql`UPDATE signing_keys SET activated_at_ms = 1 WHERE state = 'active'`);
  // Far behind the others, of which fewer are kept.
  await database.run(sql`INSERT INTO session_changes SELECT 100000, id FROM sessions LIMIT 1`);
  return {
    context,
    services,
    /** How many rows each table has, and what matters of them. */
    state: async (): Promise<object> => {
      const tables = [
        "denials",
        "logins",
        "join_tokens",
        "tickets",
        "audit_checkpoints",
        "webhook_deliveries",
        "session_changes",
        "signing_keys",
      ];
      const counts: Record<string, unknown> = {};
      for (const table of tables) {
        counts[table] = await database.all(sql`SELECT count(*) FROM ${sql.raw(table)}`);
      }
      const chained = sql`SELECT count(*) FROM audit_events WHERE seq IS NOT NULL`;
      const old = sql`SELECT count(*) FROM audit_events WHERE writer = 'relay:old'`;
      const states = sql`SELECT state, end_reason FROM sessions`;
      const types = sql`SELECT type, count(*) FROM audit_events GROUP BY type ORDER BY type`;
      const places = sql`SELECT position, dead_in_a_row FROM webhooks`;
      return {
        counts,
        chained: await database.all(chained),
        old: await database.all(old),
        states: await database.all(states),
        types: await database.all(types),
        places: await database.all(places),
        received: receiver.received.length,
        confirmed: new Set(services.confirmed).size,
      };
    },
    [Symbol.asyncDispose]: () => services[Symbol.asyncDispose](),
  };
}

/** What a job made of the scene, and how many messages arrived meanwhile. */
async function stateAfter(
  work: (scene: Awaited<ReturnType<typeof startScene>>) => Promise<void>,
): Promise<object> {
  await using scene = await startScene();
  const before = receiver.received.length;
  await work(scene);
  return { ...(await scene.state()), received: receiver.received.length - before };
}

describe("a job", () => {
  it.each(JOBS)("$name does its work once", async ({ name, run }) => {
    const once = await stateAfter(async ({ context }) => {
      await run(context);
    });
    // Of a job without work it would be no wonder.
    expect(once, name).not.toEqual(await stateAfter(async () => undefined));
    const often = await stateAfter(async ({ context }) => {
      await Promise.all([run(context), run(context), run(context)]);
      await run(context);
      await run(context);
    });
    expect(often, name).toEqual(once);
  });
});
