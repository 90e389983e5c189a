/** Answers that the caller has already are not sent again. */
import { Hono, type MiddlewareHandler } from "hono";
import { describe, expect, it } from "vitest";
import { answerConditionally } from "../../../worker/routes/conditional-answers.ts";
import type { UserCaller, UserRouteEnv } from "../../../worker/routes/route-env.ts";
import { call, expectProblem, makeUser, read, uniqueName } from "./api-client.ts";

const makeConsole = async (token: string): Promise<string> => {
  const json = { name: uniqueName("cached"), host: "10.0.0.5", port: 5900 };
  return String((await read(await call("/consoles", { token, json }), 201))["id"]);
};

describe("what is read after a login", () => {
  it("carries a weak tag and is kept by the caller alone, who asks before using it", async () => {
    const { token } = await makeUser("admin");
    const id = await makeConsole(token);
    for (const path of [`/consoles/${id}`, "/consoles?limit=1", "/sessions", "/audit?limit=1"]) {
      const response = await call(path, { token });
      expect(response.status).toBe(200);
      expect(response.headers.get("ETag")).toMatch(/^W\/"[0-9a-f]{64}"$/);
      expect(response.headers.get("Cache-Control")).toBe("private, no-cache");
    }
  });

  it("is not sent again while it is the same, and is once it changed", async () => {
    const { token } = await makeUser("admin");
    const path = `/consoles/${await makeConsole(token)}`;
    const tag = (await call(path, { token })).headers.get("ETag") ?? "";
    const headers = { "If-None-Match": `"other", ${tag}` };
    const same = await call(path, { token, headers });
    expect(same.status).toBe(304);
    expect(await same.text()).toBe("");
    expect(same.headers.get("ETag")).toBe(tag);
    expect(same.headers.get("Cache-Control")).toBe("private, no-cache");
    expect(same.headers.get("X-Request-Id")).toMatch(/^req_/);
    await read(
      await call(path, { method: "PATCH", token, json: { name: uniqueName("new") } }),
      200,
    );
    const changed = await call(path, { token, headers });
    expect(changed.status).toBe(200);
    expect(changed.headers.get("ETag")).not.toBe(tag);
  });

  it("is judged for the caller who asks: a tag opens nothing", async () => {
    const { token } = await makeUser("admin");
    const path = `/consoles/${await makeConsole(token)}`;
    const tag = (await call(path, { token })).headers.get("ETag") ?? "";
    const headers = { "If-None-Match": tag };
    await expectProblem(await call(path, { headers }), 401, "auth.required");
    await expectProblem(
      await call("/consoles/con_none", { token, headers }),
      404,
      "resource.not-found",
    );
  });
});

describe("a change", () => {
  it("that is only to be made where nobody else made one is refused", async () => {
    const { token } = await makeUser("admin");
    const path = `/consoles/${await makeConsole(token)}`;
    const found = await call(path, { token });
    const change = (tag: string) =>
      call(path, {
        method: "PATCH",
        token,
        json: { name: uniqueName("new") },
        headers: { "If-Match": tag },
      });
    const tag = found.headers.get("ETag") ?? "";
    await expectProblem(await change(tag), 412, "request.precondition-failed");
    const { name } = await read(found, 200);
    expect(await read(await call(path, { token }), 200)).toMatchObject({ name });
    await read(await change("*"), 200);
  });
});

describe("other answers", () => {
  it("to nobody in particular, or that their route wants kept by nobody, carry no tag", async () => {
    const app = new Hono<UserRouteEnv>()
      .use("/known/*", async (context, next) => {
        context.set("user", {} as UserCaller);
        await next();
      })
      .use(answerConditionally as unknown as MiddlewareHandler<UserRouteEnv>)
      .get("/known/json", (context) => context.json({}))
      .get("/known/secret", (context) => context.json({}, 200, { "Cache-Control": "no-store" }))
      .get("/known/text", (context) => context.text(""))
      .get("/json", (context) => context.json({}));
    const tags = ["/known/json", "/known/secret", "/known/text", "/json"].map(async (path) =>
      (await app.request(path)).headers.has("ETag"),
    );
    expect(await Promise.all(tags)).toEqual([true, false, false, false]);
  });

  it("are kept by nobody", async () => {
    const { token } = await makeUser("admin");
    const json = { name: uniqueName("made"), host: "10.0.0.5", port: 5900 };
    const answers = [
      await call("/consoles", { token, json }),
      await call("/relays/join-tokens", { method: "POST", token }),
      await call("/consoles/con_none", { token }),
      await call("/consoles"),
      await call("/vv/kvv1_none"),
    ];
    for (const { headers } of answers) {
      expect(headers.get("Cache-Control")).toBe("no-store");
      expect(headers.get("ETag")).toBeNull();
    }
  });
});
