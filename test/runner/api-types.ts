/**
 * Writes shared/api/operations.ts, the API's types for its clients, from the API's description; a
 * test compares the two. A program of our own, because the known generators need a TypeScript that
 * is older than the project's.
 *
 *     node test/runner/api-types.ts
 */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type {
  ApiDescription,
  Operation,
  Parameter,
  Schema,
} from "../../worker/routes/description/api-description.ts";
import { commentText, typeText } from "./api-types/type-text.ts";

/** The whole file's text. */
export async function renderApiTypes(): Promise<string> {
  return renderTypesOf(await describeOwnApi());
}

/** The types of a description. */
export function renderTypesOf({ components, paths }: ApiDescription): string {
  const schemas = Object.entries(components.schemas)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(
      ([name, schema]) =>
        `${commentText(schema.description, "")}export type ${name} = ${typeText(schema)};\n`,
    );
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) =>
      operationText(`${method.toUpperCase()} ${path}`, operation),
    ),
  );
  return [
    HEADER,
    ...schemas,
    OPERATIONS_COMMENT,
    `export interface Operations {\n${operations.join("\n")}}\n`,
  ].join("\n");
}

/**
 * Of the routes as they are. Loaded by name, because the Worker is typed for its own runtime and
 * this program for Node; building the app needs neither.
 */
async function describeOwnApi(): Promise<ApiDescription> {
  const load = async (file: string): Promise<unknown> =>
    await import(new URL(`../../worker/${file}`, import.meta.url).href);
  const { createApp } = (await load("app.ts")) as { readonly createApp: () => unknown };
  const { describeApi } = (await load("routes/description/describe-api.ts")) as {
    readonly describeApi: (app: unknown) => ApiDescription;
  };
  return describeApi(createApp());
}

function operationText(name: string, operation: Operation): string {
  const members = [
    memberOf("params", parametersOf(operation, "path")),
    memberOf("query", parametersOf(operation, "query")),
    memberOf("headers", parametersOf(operation, "header").map(withoutDescription)),
    bodyText(operation),
    `    readonly answer: ${answerText(operation)};\n`,
  ];
  const comment = commentText(operation.summary, "  ");
  return `${comment}  readonly ${JSON.stringify(name)}: {\n${members.join("")}  };\n`;
}

/** Headers that a client's transport sets by itself are no part of a call. */
function parametersOf({ parameters = [] }: Operation, place: Parameter["in"]): Parameter[] {
  return parameters.filter(
    (parameter) => parameter.in === place && parameter.name !== "If-None-Match",
  );
}

/** Headers mean the same everywhere: see the API's documentation. */
function withoutDescription({ description: _description, ...rest }: Parameter): Parameter {
  return rest;
}

function memberOf(member: string, parameters: readonly Parameter[]): string {
  if (parameters.length === 0) {
    return "";
  }
  const isRequired = parameters.some((parameter) => parameter.required === true);
  const schema: Schema = {
    type: "object",
    properties: Object.fromEntries(
      parameters.map(({ name, description, schema: type }) => [
        name,
        description === undefined ? type : { ...type, description },
      ]),
    ),
    required: parameters.filter(({ required = false }) => required).map(({ name }) => name),
  };
  return `    readonly ${member}${isRequired ? "" : "?"}: ${typeText(schema, "    ")};\n`;
}

function bodyText({ requestBody }: Operation): string {
  const schema = requestBody?.content["application/json"]?.schema;
  return schema === undefined
    ? ""
    : `    readonly body${requestBody?.required === true ? "" : "?"}: ${typeText(schema, "    ")};\n`;
}

/** What JSON holds, text of any other kind as a string, and null where there is no body. */
function answerText({ responses }: Operation): string {
  const types = Object.entries(responses)
    .filter(([status]) => status.startsWith("2"))
    .flatMap(([, { content }]) =>
      content === undefined
        ? ["null"]
        : Object.entries(content).map(([mediaType, { schema }]) =>
            mediaType === "application/json" ? typeText(schema, "    ") : "string",
          ),
    );
  // What only leads elsewhere is for browsers to follow.
  return types.length === 0 ? "null" : [...new Set(types)].join(" | ");
}

const HEADER = `/**
 * The API's types, made from its description by \`npm run docs:client\`: change the routes, not this
 * file. A field that is new in an answer is no breach of them.
 */
`;

const OPERATIONS_COMMENT =
  "/** By method and path: what a call is given, and what it answers when it succeeds. */";

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  writeFileSync(join(root, "shared", "api", "operations.ts"), await renderApiTypes());
}
