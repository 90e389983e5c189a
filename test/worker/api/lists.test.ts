/** Every list is paged alike, whoever wrote it. */
import { describe, expect, it } from "vitest";
import type { ApiDescription } from "../../../worker/routes/description/api-description.ts";
import { call, expectProblem, fieldsOf, makeUser, ORIGIN } from "./api-client.ts";

const description = (await (await call("/openapi.json")).json()) as ApiDescription;

const lists = Object.entries(description.paths).flatMap(([path, { get }]) => {
  const schema = get?.responses["200"]?.content?.["application/json"]?.schema;
  const name = schema?.$ref?.split("/").at(-1) ?? "";
  const page = schema?.$ref === undefined ? schema : description.components.schemas[name];
  return page?.properties?.["nextCursor"] === undefined ? [] : [path];
});

describe("lists", () => {
  it("are there", () => {
    expect(lists.length).toBeGreaterThan(3);
  });

  it.each(lists)("%s takes no cursor but its own", async (path) => {
    const { token, address } = await addressOf(path);
    const foreign = ["x", "{}", ...["{}", '{"other":1}', "null"].map(encode)];
    for (const cursor of foreign) {
      const response = await call(`${address}?cursor=${encodeURIComponent(cursor)}`, { token });
      const problem = await expectProblem(response, 422, "request.invalid");
      expect(fieldsOf(problem)).toEqual(["cursor"]);
    }
  });

  it.each(lists)("%s bounds its pages", async (path) => {
    const { token, address } = await addressOf(path);
    for (const limit of ["0", "201", "many"]) {
      const response = await call(`${address}?limit=${limit}`, { token });
      const problem = await expectProblem(response, 422, "request.invalid");
      expect(fieldsOf(problem)).toEqual(["limit"]);
    }
  });
});

/**
 * The list's address, with something that is there in the place of each parameter: a list below
 * another kind of thing needs one of that kind here.
 */
async function addressOf(path: string): Promise<{ token: string; address: string }> {
  const admin = await makeUser("admin");
  const ids: Readonly<Record<string, string>> = { users: admin.id };
  const filled = path.replaceAll(/([^/]+)\/\{[^}]+\}/g, (_whole, kind: string) => {
    return `${kind}/${ids[kind] ?? "none"}`;
  });
  return { token: admin.token, address: `${ORIGIN}${filled}` };
}

function encode(text: string): string {
  return btoa(text).replaceAll("=", "");
}
