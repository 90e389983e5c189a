/** Types out of schemas: what is written for each kind, and that nothing unknown passes. */
import { describe, expect, it } from "vitest";
import type { Schema } from "../../../worker/routes/description/api-description.ts";
import { commentText, typeText } from "../../runner/api-types/type-text.ts";
import { renderTypesOf } from "../../runner/api-types.ts";

describe("the type of a schema", () => {
  const cases: readonly (readonly [Schema, string])[] = [
    [{ type: "string", format: "date-time" }, "string"],
    [{ type: "integer", minimum: 1 }, "number"],
    [{ type: ["string", "null"] }, "string | null"],
    [{ type: "string", enum: ["a", "b"] }, '"a" | "b"'],
    [{ const: 1 }, "1"],
    [{ $ref: "#/components/schemas/Console" }, "Console"],
    [{ type: "array", items: { type: "string" } }, "readonly string[]"],
    [{ type: "array", items: { type: "string", enum: ["a", "b"] } }, 'readonly ("a" | "b")[]'],
    [
      { type: "array", prefixItems: [{ type: "string" }, { type: "null" }] },
      "readonly [string, null]",
    ],
    [{ anyOf: [{ type: "string" }, { type: "number" }, { type: "integer" }] }, "string | number"],
    [{ allOf: [{ $ref: "#/x/A" }, { $ref: "#/x/B" }] }, "A & B"],
    [
      { type: "object", additionalProperties: { type: "boolean" } },
      "Readonly<Record<string, boolean>>",
    ],
    [{ type: "object", properties: {} }, "Readonly<Record<string, never>>"],
    [{}, "unknown"],
    [
      {
        type: "object",
        properties: { "a-b": { type: "string" }, c: { type: "boolean", description: "Whether." } },
        required: ["c"],
      },
      '{\n  readonly "a-b"?: string | undefined;\n  /** Whether. */\n  readonly c: boolean;\n}',
    ],
  ];

  it.each(cases)("%j", (schema, text) => {
    expect(typeText(schema)).toBe(text);
  });

  it("is refused for what is not known", () => {
    expect(() => typeText({ type: "tuple" })).toThrow("tuple");
  });
});

describe("comments", () => {
  it("cannot be ended by what they hold, and are wrapped", () => {
    expect(commentText("a */ b", "")).toBe("/** a * / b */\n");
    const long = commentText(`${"word ".repeat(30)}end`, "  ");
    expect(long).toMatch(/^ {2}\/\*\*\n( {2} \* .+\n){2,} {2} \*\/\n$/);
    expect(Math.max(...long.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
  });
});

describe("the file of types", () => {
  it("has an operation with its arguments and its answers", () => {
    const text = renderTypesOf({
      openapi: "3.1.0",
      info: { title: "", version: "", description: "" },
      servers: [],
      tags: [],
      components: {
        schemas: { Thing: { type: "object", properties: { id: { type: "string" } } } },
      },
      paths: {
        "/things/{id}": {
          put: {
            operationId: "replaceThing",
            tags: ["Things"],
            summary: "Replace a thing",
            security: [],
            parameters: [
              { name: "id", in: "path", required: true, schema: { type: "string" } },
              { name: "dry", in: "query", schema: { type: "boolean" } },
              { name: "If-None-Match", in: "header", schema: { type: "string" } },
            ],
            requestBody: { content: { "application/json": { schema: { $ref: "#/x/Thing" } } } },
            responses: {
              "200": {
                description: "It.",
                content: {
                  "application/json": { schema: { $ref: "#/x/Thing" } },
                  "text/csv": { schema: { type: "string" } },
                },
              },
              "204": { description: "Nothing." },
              "404": { description: "None." },
            },
          },
        },
      },
    });
    expect(text).toContain(
      [
        "  /** Replace a thing */",
        '  readonly "PUT /things/{id}": {',
        "    readonly params: {",
        "      readonly id: string;",
        "    };",
        "    readonly query?: {",
        "      readonly dry?: boolean | undefined;",
        "    };",
        "    readonly body?: Thing;",
        "    readonly answer: Thing | string | null;",
        "  };",
      ].join("\n"),
    );
  });
});
