/** What becomes of keys: whose request is carried out, and what is known after one that died. */
import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { createConsole } from "../../../worker/services/consoles.ts";
import { expireCredentials } from "../../../worker/services/expire-credentials.ts";
import {
  ANSWER_BYTES_MAX,
  forgetRequest,
  judgeRepetition,
  keepAnswer,
  LEASE_MS,
  type RepeatableRequest,
} from "../../../worker/services/idempotency.ts";
import { type ControlServices, startControlServices } from "../../harness/control-services.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const ANSWER = { status: 201, contentType: "application/json", body: '{"id":"con_1"}' };

const request = (changes: Partial<RepeatableRequest> = {}): RepeatableRequest => ({
  caller: "usr_1",
  key: "key",
  requestId: "req_first",
  content: ["POST", "/api/v1/consoles", '{"password":"hunter2"}'],
  ...changes,
});

async function ask(services: ControlServices, changes: Partial<RepeatableRequest> = {}) {
  const judged = await judgeRepetition(services.context, request(changes));
  return judged.ok ? judged.value.kind : judged.error.code;
}

async function begin(services: ControlServices, changes: Partial<RepeatableRequest> = {}) {
  const judged = await judgeRepetition(services.context, request(changes));
  if (!judged.ok || judged.value.kind !== "first") {
    throw new Error("the request was expected to be the first");
  }
  return judged.value.holder;
}

describe("a key", () => {
  it("is held while its request runs, and has its answer afterwards", async () => {
    await using services = await startControlServices();
    const holder = await begin(services);
    expect(await ask(services)).toBe("idempotency.in-progress");
    await keepAnswer(services.context, holder, ANSWER);
    const judged = await judgeRepetition(services.context, request());
    expect(judged).toMatchObject({ ok: true, value: { kind: "repetition", answer: ANSWER } });
  });

  it("stands for one content: another one is refused, running or done", async () => {
    await using services = await startControlServices();
    const content = ["POST", "/api/v1/consoles", "{}"];
    const holder = await begin(services);
    expect(await ask(services, { content })).toBe("idempotency.key-reused");
    await keepAnswer(services.context, holder, ANSWER);
    expect(await ask(services, { content })).toBe("idempotency.key-reused");
  });

  it("is free again after a refusal, and after a day", async () => {
    await using services = await startControlServices();
    await forgetRequest(services.context, await begin(services));
    const holder = await begin(services);
    await keepAnswer(services.context, holder, ANSWER);
    services.moveClock(DAY_MS - 1);
    expect(await ask(services)).toBe("repetition");
    services.moveClock(1);
    expect(await ask(services)).toBe("first");
  });

  it("is not one of too many, and the bound is the caller's own", async () => {
    await using services = await startControlServices();
    const holder = await begin(services);
    await keepAnswer(services.context, holder, ANSWER);
    await services.context.database.run(sql`
      INSERT INTO idempotency_keys (id, caller, fingerprint, attempt, request_id, state,
        started_at_ms, lease_until_ms, expires_at_ms)
      WITH RECURSIVE many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < 9999)
      SELECT n, 'usr_1', 'f', n, 'r', 'done', 0, 0, 9e15 FROM many`);
    expect(await ask(services, { key: "one more" })).toBe("idempotency.too-many-keys");
    expect(await ask(services)).toBe("repetition");
    expect(await ask(services, { caller: "usr_2" })).toBe("first");
  });

  it("is known again after a new secrets key, as long as the old one is kept", async () => {
    await using services = await startControlServices();
    const { context } = services;
    await keepAnswer(context, await begin(services), ANSWER);
    const key = Uint8Array.from({ length: 32 }, () => 7);
    const fresh = { id: "fresh", key } as const;
    const keep = [fresh, ...context.settings.secretsKeys] as const;
    const rotated = { ...context, settings: { ...context.settings, secretsKeys: keep } };
    const again = await judgeRepetition(rotated, request());
    expect(again).toMatchObject({ ok: true, value: { kind: "repetition", answer: ANSWER } });
    const dropped = {
      ...context,
      settings: { ...context.settings, secretsKeys: [fresh] as const },
    };
    const refused = await judgeRepetition(dropped, request());
    expect(refused).toMatchObject({ ok: false, error: { code: "idempotency.key-reused" } });
  });

  it("leaves nothing readable behind", async () => {
    await using services = await startControlServices();
    const holder = await begin(services, { key: "a telling key" });
    await keepAnswer(services.context, holder, ANSWER);
    const stored = await services.dumpDatabase();
    expect(stored).toContain("idempotency_keys");
    expect(stored).not.toMatch(/hunter2|a telling key|con_1/);
  });

  it("is swept when it has expired, and not before", async () => {
    await using services = await startControlServices();
    await begin(services, { key: "old" });
    services.moveClock(DAY_MS - 1);
    await begin(services, { key: "new" });
    const count = async () => (await services.dumpDatabase()).split("idempotency_keys:").length - 1;
    await expireCredentials(services.context);
    expect(await count()).toBe(2);
    services.moveClock(1);
    await expireCredentials(services.context);
    expect(await count()).toBe(1);
  });
});

describe("a request whose answer never came", () => {
  it("is carried out anew after its lease when it changed nothing, by one request alone", async () => {
    await using services = await startControlServices();
    const dead = await begin(services);
    services.moveClock(LEASE_MS - 1);
    expect(await ask(services)).toBe("idempotency.in-progress");
    services.moveClock(1);
    const together = await Promise.all(
      ["req_a", "req_b", "req_c"].map(async (requestId) => await ask(services, { requestId })),
    );
    expect(together.sort()).toEqual([
      "first",
      "idempotency.in-progress",
      "idempotency.in-progress",
    ]);
    // The dead one comes back to life: it holds nothing any more.
    await keepAnswer(services.context, dead, { ...ANSWER, body: "late" });
    await forgetRequest(services.context, dead);
    expect(await ask(services)).toBe("idempotency.in-progress");
  });

  it("is not carried out twice when the trail says that it changed something", async () => {
    await using services = await startControlServices();
    const admin = await services.makeCaller("admin", "admin");
    await begin(services, { requestId: "req_died" });
    const caller = { ...admin, requestId: "req_died" };
    const input = { name: "a", host: "10.0.0.5", port: 5900, source: "static" };
    expect(await createConsole(services.context, caller, input)).toMatchObject({ ok: true });
    expect(await ask(services)).toBe("idempotency.in-progress");
    services.moveClock(LEASE_MS);
    expect(await ask(services, { requestId: "req_again" })).toBe("idempotency.answer-lost");
    services.moveClock(DAY_MS / 2);
    expect(await ask(services, { requestId: "req_again" })).toBe("idempotency.answer-lost");
  });

  it("is lost when it was too large to be kept, sealed with another key, or another row's", async () => {
    await using services = await startControlServices();
    const { context } = services;
    const large = await begin(services, { key: "large" });
    await keepAnswer(context, large, { ...ANSWER, body: "x".repeat(ANSWER_BYTES_MAX + 1) });
    expect(await ask(services, { key: "large" })).toBe("idempotency.answer-lost");

    await keepAnswer(context, await begin(services, { key: "mine" }), ANSWER);
    await keepAnswer(context, await begin(services, { key: "moved" }), ANSWER);
    await context.database.run(sql`UPDATE idempotency_keys SET sealed_answer =
      (SELECT max(sealed_answer) FROM idempotency_keys) WHERE state = 'done'`);
    const outcomes = [await ask(services, { key: "mine" }), await ask(services, { key: "moved" })];
    expect(outcomes.sort()).toEqual(["idempotency.answer-lost", "repetition"]);

    await context.database.run(sql`UPDATE idempotency_keys SET sealed_answer = 'v1.AAAA'`);
    expect(await ask(services, { key: "mine" })).toBe("idempotency.answer-lost");
  });
});
