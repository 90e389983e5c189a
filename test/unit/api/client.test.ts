/** The API's typed client: calls become requests, and what is not described does not compile. */
import { describe, expect, it } from "vitest";
import { type ApiRequest, createApiClient, writeRequest } from "#shared/api/client.ts";
import { fail, ok } from "#shared/base/result.ts";

function recordingClient(answer: unknown = null) {
  const sent: ApiRequest[] = [];
  const client = createApiClient<string>(async (request) => {
    sent.push(request);
    return ok(answer);
  });
  return { client, sent };
}

describe("a call", () => {
  it("is a request with its parameters in path, query, headers and body", async () => {
    const { client, sent } = recordingClient();
    await client.call("POST /api/v1/consoles/{id}/tickets", {
      params: { id: "a/b ?" },
      headers: { "Idempotency-Key": "k" },
      body: { way: "connect" },
    });
    await client.call("GET /api/v1/consoles", {
      query: { name: "ä&b=c", limit: 5, cursor: undefined },
    });
    await client.call("GET /api/v1/sessions");
    expect(sent).toEqual([
      {
        method: "POST",
        path: "/api/v1/consoles/a%2Fb%20%3F/tickets",
        headers: { "Idempotency-Key": "k" },
        body: { way: "connect" },
      },
      {
        method: "GET",
        path: "/api/v1/consoles?name=%C3%A4%26b%3Dc&limit=5",
        headers: {},
        body: undefined,
      },
      { method: "GET", path: "/api/v1/sessions", headers: {}, body: undefined },
    ]);
  });

  it("repeats a query's name for each of several values", () => {
    const query = { state: ["pending", "active"] };
    expect(writeRequest("GET /api/v1/sessions", { query }).path).toBe(
      "/api/v1/sessions?state=pending&state=active",
    );
  });

  it("gives the answer as the description types it, or the transport's failure", async () => {
    const { client } = recordingClient({ id: "ses_1", console: { name: "web" } });
    const answer = await client.call("GET /api/v1/sessions/{id}", { params: { id: "ses_1" } });
    expect(answer.ok ? answer.value.console.name : "").toBe("web");
    const away = createApiClient(async () => fail("away"));
    expect(await away.call("GET /healthz")).toEqual({ ok: false, error: "away" });
  });

  it("does not compile when it is none of the description's", () => {
    const { client } = recordingClient();
    const id = { id: "con_1" };
    const ways = { params: id, body: { way: "x" as const } };
    const wrong = [
      // @ts-expect-error -- there is no such operation
      async () => await client.call("GET /api/v1/nothing"),
      // @ts-expect-error -- the path has a parameter
      async () => await client.call("GET /api/v1/sessions/{id}"),
      // @ts-expect-error -- the body needs a host
      async () => await client.call("POST /api/v1/consoles", { body: { name: "a" } }),
      // @ts-expect-error -- there is no such way
      async () => await client.call("POST /api/v1/consoles/{id}/tickets", ways),
    ];
    expect(wrong).toHaveLength(4);
  });
});
