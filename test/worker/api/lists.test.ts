/** Every list is paged alike, whoever wrote it. */
import { describe, expect, it } from "vitest";
import type { ApiDescription } from "../../../worker/routes/description/api-description.ts";
import { call, expectProblem, fieldsOf, makeUser } from "./api-client.ts";

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
    const { token } = await makeUser("admin");
    const foreign = [
      "x",
      "{}",
      btoa("{}").replaceAll("=", ""),
      btoa('{"other":1}').replaceAll("=", ""),
      btoa("null"),
    ];
    for (const cursor of foreign) {
      const address = `${path.replaceAll(/\{[^}]+\}/g, "none")}?cursor=${encodeURIComponent(cursor)}`;
      const response = await call(`https://kerbside.test${address}`, { token });
      const problem = await expectProblem(response, 422, "request.invalid");
      expect(fieldsOf(problem)).toEqual(["cursor"]);
    }
  });

  it.each(lists)("%s bounds its pages", async (path) => {
    const { token } = await makeUser("admin");
    for (const limit of ["0", "201", "many"]) {
      const address = `${path.replaceAll(/\{[^}]+\}/g, "none")}?limit=${limit}`;
      const response = await call(`https://kerbside.test${address}`, { token });
      const problem = await expectProblem(response, 422, "request.invalid");
      expect(fieldsOf(problem)).toEqual(["limit"]);
    }
  });
});
