/** The API as the command calls it: what another version answers is said, and never a crash. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { createTypedApi } from "../../../relay/cli/typed-api.ts";
import { startFakeControlPlane } from "../relay-control/fake-control-plane.ts";

const named = z.looseObject({ id: z.string(), name: z.string() });
const params = { id: "con_1" };

async function readFrom(given: { json?: unknown; text?: string; contentType?: string }) {
  await using plane = await startFakeControlPlane(() => given);
  const api = createTypedApi(plane.url, "token");
  const answer = await api.call("GET /api/v1/consoles/{id}", named, { params });
  const page = await api.page("GET /api/v1/consoles", named, "a/b", { query: { name: "x" } });
  return { answer, page, heard: plane.heard };
}

describe("an answer", () => {
  it("is given with the fields that nobody reads", async () => {
    const { answer, heard } = await readFrom({ json: { id: "con_1", name: "a", more: [1] } });
    expect(answer).toEqual({ ok: true, value: { id: "con_1", name: "a", more: [1] } });
    expect(heard.map(({ method, path, token }) => `${method} ${path} ${token}`)).toEqual([
      "GET /api/v1/consoles/con_1 token",
      "GET /api/v1/consoles?name=x&cursor=a%2Fb token",
    ]);
  });

  it.each([
    ["lacks a field", { id: "con_1" }, "(name)"],
    ["is of another kind", ["con_1"], "different versions"],
    ["is null", null, "different versions"],
  ])("that %s is said to be another version's", async (_name, json, word) => {
    const { answer, page } = await readFrom({ json });
    for (const result of [answer, page]) {
      expect(result).toMatchObject({ ok: false, error: { kind: "malformed", code: null } });
    }
    const sentence = answer.ok ? "" : answer.error.sentence;
    expect(sentence).toContain("answered GET /api/v1/consoles/{id} with something");
    expect(sentence).toContain(word);
  });

  it("that is no JSON is no control plane's", async () => {
    const { answer } = await readFrom({ text: "<html>", contentType: "text/html" });
    expect(answer.ok ? "" : answer.error.sentence).toMatch(/is it a Kerbside control plane\?$/);
  });
});

describe("a schema that asks for more than the API promises", () => {
  it("does not compile", () => {
    const api = createTypedApi("http://127.0.0.1:1", null);
    const given = { params };
    const colour = z.object({ colour: z.string() });
    const number = z.object({ name: z.number() });
    const build = z.object({ build: z.string() });
    const wrong = [
      // @ts-expect-error -- no console has this field
      async () => await api.call("GET /api/v1/consoles/{id}", colour, given),
      // @ts-expect-error -- the name is a text
      async () => await api.call("GET /api/v1/consoles/{id}", number, given),
      // @ts-expect-error -- the API answers null too
      async () => await api.call("GET /api/v1/relays/{id}", build, given),
      // @ts-expect-error -- that is no list
      async () => await api.page("GET /api/v1/consoles/{id}", named, null, given),
    ];
    expect(wrong).toHaveLength(4);
  });
});
