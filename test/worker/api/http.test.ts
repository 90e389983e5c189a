import { describe, expect, it } from "vitest";
import { createApp } from "../../../worker/app.ts";
import { call, env, expectProblem, fetchWorker, makeUser, ORIGIN } from "./api-client.ts";

const context = (): ExecutionContext => {
  const waitUntil = (): void => undefined;
  return { waitUntil, passThroughOnException: waitUntil, props: {} } as unknown as ExecutionContext;
};

describe("every answer", () => {
  it("carries the caller's request id when it is a sane one", async () => {
    const headers = { "X-Request-Id": "trace-0123.abc" };
    const response = await call(`${ORIGIN}/`, { headers });
    expect(response.headers.get("X-Request-Id")).toBe("trace-0123.abc");
  });

  it.each(["short", "has blank inside", `long${"x".repeat(64)}`, "<script>alert"])(
    "carries a new request id in the place of %j",
    async (id) => {
      const response = await call("/nothing", { headers: { "X-Request-Id": id } });
      expect(response.headers.get("X-Request-Id")).toMatch(/^req_[\w-]{22}$/);
      await expectProblem(response, 404, "resource.not-found");
    },
  );

  it("forbids caches, frames, scripts and guessing", async () => {
    const { headers } = await call("/consoles");
    expect(headers.get("Cache-Control")).toBe("no-store");
    expect(headers.get("Content-Security-Policy")).toContain("default-src 'none'");
    expect(headers.get("Content-Security-Policy")).toContain("frame-ancestors 'none'");
    expect(headers.get("X-Content-Type-Options")).toBe("nosniff");
    expect(headers.get("Strict-Transport-Security")).not.toBeNull();
    expect(headers.get("Referrer-Policy")).toBe("no-referrer");
  });
});

describe("requests that no route takes", () => {
  it("are answered 404 for an unknown path", async () => {
    await expectProblem(await call("/nothing"), 404, "resource.not-found");
    await expectProblem(await call(`${ORIGIN}/nothing`), 404, "resource.not-found");
  });

  it("are told which version is spoken here when they ask for another", async () => {
    for (const path of ["/api/v2/consoles", "/api/v0", "/api/v2beta/"]) {
      const response = await call(ORIGIN + path);
      const problem = await expectProblem(response, 404, "api.version-unknown");
      expect(problem["detail"]).toContain("/api/v1");
    }
    await expectProblem(await call(`${ORIGIN}/api/other`), 404, "resource.not-found");
  });

  it.each([
    ["/auth/login", "GET", "POST"],
    ["/consoles", "DELETE", "POST, GET, HEAD"],
    ["/consoles/con_x", "PUT", "GET, PATCH, DELETE, HEAD"],
    ["/sessions", "POST", "GET, HEAD"],
    ["/openapi.json", "POST", "GET, HEAD"],
  ])("are answered 405 for %s by %s", async (path, method, allow) => {
    const response = await call(path, { method });
    expect(response.headers.get("Allow")).toBe(allow);
    await expectProblem(response, 405, "request.method-not-allowed");
  });
});

describe("bodies", () => {
  const json = { username: "nobody", password: "x" };

  it.each(["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])(
    "are refused as %j",
    async (type) => {
      const headers = { "Content-Type": type };
      const body = JSON.stringify(json);
      const response = await call("/auth/login", { body, headers });
      await expectProblem(response, 400, "request.not-json");
    },
  );

  it("are refused as forms also where no body is wanted", async () => {
    const headers = { "Content-Type": "text/plain" };
    const response = await call("/sessions/ses_x/terminate", { body: "x", headers });
    await expectProblem(response, 400, "request.not-json");
  });

  it("may be absent or empty where none is wanted", async () => {
    for (const options of [{ method: "POST" }, { method: "POST", body: "" }]) {
      await expectProblem(await call("/sessions/ses_x/terminate", options), 401, "auth.required");
    }
  });

  it("may be absent where one may be, and one of no bytes is absent, whatever it says", async () => {
    const { token } = await makeUser("user");
    const path = "/consoles/con_none/tickets";
    const headers = { "Content-Type": "application/json" };
    for (const options of [{ method: "POST" }, { body: "" }, { body: "", headers }]) {
      const response = await call(path, { method: "POST", token, ...options });
      await expectProblem(response, 404, "resource.not-found");
    }
    const response = await call(path, { method: "POST", token, body: "{", headers });
    await expectProblem(response, 400, "request.not-json");
  });

  it("are refused when they are not JSON", async () => {
    const headers = { "Content-Type": "application/json" };
    const response = await call("/auth/login", { body: "{", headers });
    await expectProblem(response, 400, "request.not-json");
  });

  it("are refused above the bound, also without a length", async () => {
    const big = { ...json, username: "x".repeat(128 * 1024) };
    await expectProblem(await call("/auth/login", { json: big }), 413, "request.too-large");
    const { readable, writable } = new TransformStream();
    const writer = writable.getWriter();
    const written = writer
      .write(new TextEncoder().encode(JSON.stringify(big)))
      .then(() => writer.close());
    const headers = { "Content-Type": "application/json" };
    const init = { method: "POST", headers, body: readable };
    const response = await fetchWorker(`${ORIGIN}/api/v1/auth/login`, init);
    await expectProblem(response, 413, "request.too-large");
    await written.catch(() => undefined);
  });

  it("are refused with the names of the fields that are wrong", async () => {
    const response = await call("/auth/login", { json: { username: 5, extra: 1 } });
    const problem = await expectProblem(response, 422, "request.invalid");
    expect(problem["fields"]).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ field: "username" }),
        expect.objectContaining({ field: "password" }),
      ]),
    );
  });
});

describe("failures inside", () => {
  const capture = async (bindings: Partial<Record<keyof typeof env, unknown>>) => {
    const lines: string[] = [];
    const { error } = console;
    console.error = (line: string) => void lines.push(line);
    try {
      const headers = {
        "X-Request-Id": "trace-01",
        Authorization: `Bearer kbt1_${"A".repeat(43)}`,
      };
      const request = new Request(`${ORIGIN}/api/v1/consoles`, { headers });
      const response = await createApp().fetch(
        request,
        { ...env, HUB: env.HUB, ...bindings },
        context(),
      );
      return { response, lines };
    } finally {
      console.error = error;
    }
  };

  it("are logged as one line with the request id, and never answered", async () => {
    const { response, lines } = await capture({ TICKET_ROOT: "" });
    const problem = await expectProblem(response, 500, "internal.error");
    expect(problem["requestId"]).toBe("trace-01");
    expect(JSON.stringify(problem)).not.toContain("TICKET_ROOT");
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({
      level: "error",
      event: "request.failed",
      requestId: "trace-01",
      code: "internal.error",
      causes: [{ message: expect.stringContaining("TICKET_ROOT") }],
    });
  });

  it("say that the database is away when it is", async () => {
    const { response, lines } = await capture({ LIBSQL_URL: "http://127.0.0.1:1" });
    const problem = await expectProblem(response, 503, "database.unavailable");
    expect(problem["retryable"]).toBe(true);
    expect(lines).toHaveLength(1);
  });
});

describe("the front page", () => {
  it("says what this is and where the API is documented, without scripts", async () => {
    const response = await call(`${ORIGIN}/`);
    expect(response.status).toBe(200);
    expect(response.headers.get("Content-Type")).toContain("text/html");
    const html = await response.text();
    expect(html).toContain("/api/v1/openapi.json");
    expect(html).toContain("/api/docs");
    expect(html).not.toContain("<script");
  });
});
