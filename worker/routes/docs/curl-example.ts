/** A call as it is typed into a shell. Pure. */
import type { ApiDescription, Operation, Schema } from "../description/api-description.ts";

/** The command; `$URL` and `$TOKEN` are the reader's. */
export function curlExample(
  at: { readonly method: string; readonly path: string; readonly operation: Operation },
  components: ApiDescription["components"],
): string {
  const { method, path, operation } = at;
  const body = operation.requestBody?.content["application/json"]?.schema;
  const verb = method === "get" || (method === "post" && body !== undefined);
  const parts = [
    `curl ${verb ? "" : `-X ${method.toUpperCase()} `}"$URL${path}"`,
    ...(operation.security.length === 0 ? [] : ['-H "authorization: Bearer $TOKEN"']),
    ...(body === undefined
      ? []
      : [
          '-H "content-type: application/json"',
          `-d '${JSON.stringify(exampleOf(body, components, 0)).replaceAll("'", "'\\''")}'`,
        ]),
  ];
  return parts.join(" \\\n  ");
}

/** A value of the schema: its own example, else one made up of what is required. */
export function exampleOf(
  schema: Schema,
  components: ApiDescription["components"],
  depth: number,
): unknown {
  const known = schema.example ?? schema.default ?? schema.const ?? schema.enum?.[0];
  if (known !== undefined || depth > DEPTH_MAX) {
    return known ?? null;
  }
  const name = schema.$ref?.split("/").at(-1);
  const target = name === undefined ? undefined : components.schemas[name];
  const inner = target ?? (schema.anyOf ?? schema.oneOf ?? schema.allOf)?.[0];
  if (inner !== undefined) {
    return exampleOf(inner, components, depth + 1);
  }
  if (schema.properties !== undefined) {
    const required = new Set(schema.required ?? []);
    const shown = Object.entries(schema.properties).filter(
      ([field, value]) => required.has(field) || value.example !== undefined,
    );
    return Object.fromEntries(
      shown.map(([field, value]) => [field, exampleOf(value, components, depth + 1)]),
    );
  }
  if (schema.items !== undefined) {
    return [exampleOf(schema.items, components, depth + 1)];
  }
  return plainExample(schema);
}

function plainExample(schema: Schema): unknown {
  const type = [schema.type].flat().find((name) => name !== "null") ?? "string";
  if (type === "integer" || type === "number") {
    return Math.max(schema.minimum ?? 1, 1);
  }
  return type === "boolean" ? true : type === "object" ? {} : "…";
}

/** Deeper than any body of ours; a schema that holds itself must come to an end. */
const DEPTH_MAX = 8;
