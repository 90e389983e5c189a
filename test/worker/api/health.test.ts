/** What those see who watch over the process: whether it lives, whether it works, and its numbers. */
import { describe, expect, it } from "vitest";
import { createApp } from "../../../worker/app.ts";
import { JOBS } from "../../../worker/jobs/jobs.ts";
import { call, env, expectProblem, makeUser, ORIGIN, read } from "./api-client.ts";

const SCRAPE_TOKEN = "scrape-token-of-twenty-and-more";
const AWAY = "http://127.0.0.1:1";

async function ask(
  path: string,
  bindings: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ response: Response; logged: string[] }> {
  const logged: string[] = [];
  const { error } = console;
  console.error = (line: string) => void logged.push(line);
  try {
    const waitUntil = (): void => undefined;
    const context = { waitUntil, passThroughOnException: waitUntil, props: {} };
    const response = await createApp().fetch(
      new Request(ORIGIN + path, { headers }),
      { ...env, HUB: env.HUB, ...bindings },
      context,
    );
    return { response, logged };
  } finally {
    console.error = error;
  }
}

describe("/healthz", () => {
  it("says that the process answers, and asks nothing else", async () => {
    expect(await read(await call(`${ORIGIN}/healthz`), 200)).toEqual({ status: "ok" });
    for (const bindings of [{ LIBSQL_URL: AWAY }, { TICKET_ROOT: "" }]) {
      const { response } = await ask("/healthz", bindings);
      expect(await read(response, 200)).toEqual({ status: "ok" });
    }
  });
});

describe("/readyz", () => {
  it("says that everything is there", async () => {
    expect(await read(await call(`${ORIGIN}/readyz`), 200)).toEqual({ status: "ready" });
  });

  it("names what is missing, and says why in the log alone", async () => {
    const cases = [
      [{ TICKET_ROOT: "" }, "Not ready: settings.", "TICKET_ROOT"],
      [{ LIBSQL_URL: AWAY }, "Not ready: database.", "database"],
      [{ SECRETS_KEY: "A".repeat(43) }, "Not ready: signing-key.", "signing-key.unreadable"],
    ] as const;
    for (const [bindings, detail, reason] of cases) {
      const { response, logged } = await ask("/readyz", bindings);
      const problem = await expectProblem(response, 503, "service.not-ready");
      expect(problem["detail"]).toBe(detail);
      expect(JSON.stringify(problem)).not.toMatch(/TICKET_ROOT|127\.0\.0\.1|ECONN/);
      expect(logged.join("\n")).toContain(reason);
    }
  });
});

describe("/metrics", () => {
  const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });
  const on = { KERBSIDE_METRICS_TOKEN: SCRAPE_TOKEN };

  it("is nothing to strangers where no scraper is set up", async () => {
    const { response } = await ask("/metrics", {});
    await expectProblem(response, 404, "resource.not-found");
  });

  it("takes the scraper's token, and no other", async () => {
    const { response } = await ask("/metrics", on, bearer(SCRAPE_TOKEN));
    expect(response.status).toBe(200);
    expect(response.headers.get("Content-Type")).toContain("text/plain; version=0.0.4");
    expect(response.headers.get("Cache-Control")).toBe("no-store");
    await expectProblem((await ask("/metrics", on)).response, 401, "auth.required");
    for (const wrong of [`${SCRAPE_TOKEN}x`, SCRAPE_TOKEN.slice(1), "x"]) {
      const refused = await ask("/metrics", on, bearer(wrong));
      await expectProblem(refused.response, 401, "auth.required");
    }
    const off = await ask("/metrics", {}, bearer(SCRAPE_TOKEN));
    await expectProblem(off.response, 401, "auth.required");
  });

  it("is for people who may read metrics", async () => {
    const admin = await makeUser("admin");
    const user = await makeUser("user");
    expect((await call(`${ORIGIN}/metrics`, { token: admin.token })).status).toBe(200);
    const refused = await call(`${ORIGIN}/metrics`, { token: user.token });
    await expectProblem(refused, 403, "auth.forbidden");
  });

  it("tells relays, sessions, jobs, requests, failures and the database, as Prometheus reads", async () => {
    const { token } = await makeUser("admin");
    await call("/consoles/con_none", { token });
    await call("/consoles/con_none/tickets", { method: "POST", token });
    const text = await (await call(`${ORIGIN}/metrics`, { token })).text();
    for (const line of text.trimEnd().split("\n")) {
      expect(line).toMatch(
        /^(# (HELP|TYPE) kerbside_\w+ .+|kerbside_\w+(\{[^{}]*\})? [0-9.e+-]+)$/,
      );
    }
    expect(text).toContain("kerbside_database_up 1");
    for (const state of ["online", "draining", "offline"]) {
      expect(text).toMatch(new RegExp(`^kerbside_relays\\{state="${state}"\\} \\d+$`, "m"));
    }
    expect(text).toMatch(/^kerbside_sessions\{state="active"\} \d+$/m);
    expect(text).toMatch(
      /^kerbside_http_requests_total\{method="GET",route="\/api\/v1\/consoles\/:id",status="404"\} \d+$/m,
    );
    expect(text).toMatch(/^kerbside_http_request_duration_seconds_bucket\{.*le="\+Inf"\} \d+$/m);
    expect(text).toMatch(/^kerbside_problems_total\{code="resource.not-found"\} \d+$/m);
    expect(text).toMatch(/^kerbside_tickets_total\{outcome="resource.not-found"\} \d+$/m);
    expect(text).toMatch(/^kerbside_database_request_duration_seconds_count\{outcome="ok"\} \d+$/m);
    for (const { name } of JOBS) {
      const job = `kerbside_job_last_success_timestamp_seconds{job="${name}"} `;
      expect(text).toContain(`\n${job}`);
    }
  });

  it("never makes a label of what a caller sent", async () => {
    const { token } = await makeUser("admin");
    await call("/nothing-of-ours-1234", { method: "PURGE", token });
    await call("/consoles/con_secret-5678", { token });
    const text = await (await call(`${ORIGIN}/metrics`, { token })).text();
    expect(text).not.toMatch(/1234|5678|PURGE/);
    expect(text).toMatch(/\{method="other",route="none",status="404"\}/);
  });

  it("is answered also without the database", async () => {
    const bindings = { ...on, LIBSQL_URL: AWAY };
    const { response } = await ask("/metrics", bindings, bearer(SCRAPE_TOKEN));
    const text = await response.text();
    expect(text).toContain("kerbside_database_up 0");
    expect(text).not.toContain("kerbside_relays{");
    expect(text).toMatch(/_database_request_duration_seconds_count\{outcome="unavailable"\} \d+/);
  });
});
