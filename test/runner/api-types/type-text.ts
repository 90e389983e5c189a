/** A JSON Schema as the text of a TypeScript type. Pure; throws at what it does not know. */
import type { Schema } from "../../../worker/routes/description/api-description.ts";

/** @param indent what the lines of a nested object begin with. @throws {Error} naming the schema. */
export function typeText(schema: Schema, indent = ""): string {
  if (schema.$ref !== undefined) {
    return schema.$ref.split("/").at(-1) ?? "";
  }
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) {
    return joined(choices, " | ", indent);
  }
  if (schema.allOf !== undefined) {
    return joined(schema.allOf, " & ", indent);
  }
  const literals = schema.const === undefined ? schema.enum : [schema.const];
  if (literals !== undefined) {
    return unique(literals.map((value) => JSON.stringify(value))).join(" | ");
  }
  const types = [schema.type ?? []].flat();
  if (types.length === 0) {
    return schema.properties === undefined ? "unknown" : objectText(schema, indent);
  }
  return unique(types.map((type) => plainText(schema, type, indent))).join(" | ");
}

/** The description as a comment above what it is about. */
export function commentText(description: string | undefined, indent: string): string {
  if (description === undefined || description === "") {
    return "";
  }
  const text = description.replaceAll("*/", "* /").split("\n\n");
  if (text.length === 1 && indent.length + (text[0]?.length ?? 0) < COLUMNS_MAX) {
    return `${indent}/** ${text[0]} */\n`;
  }
  const lines = text.flatMap((paragraph) => wrap(paragraph, COLUMNS_MAX - indent.length));
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}\n`).join("")}${indent} */\n`;
}

function plainText(schema: Schema, type: string, indent: string): string {
  switch (type) {
    case "string":
    case "boolean":
    case "null":
      return type;
    case "integer":
    case "number":
      return "number";
    case "array":
      return arrayText(schema, indent);
    case "object":
      return objectText(schema, indent);
    default:
      throw new Error(`a schema of the type ${type}: ${JSON.stringify(schema)}`);
  }
}

function arrayText({ items, prefixItems }: Schema, indent: string): string {
  if (prefixItems !== undefined) {
    return `readonly [${prefixItems.map((item) => typeText(item, indent)).join(", ")}]`;
  }
  const item = items === undefined ? "unknown" : typeText(items, indent);
  return / [|&] /.test(item) && !item.startsWith("{")
    ? `readonly (${item})[]`
    : `readonly ${item}[]`;
}

function objectText(schema: Schema, indent: string): string {
  const { properties, additionalProperties, required = [] } = schema;
  if (properties === undefined) {
    const values = typeof additionalProperties === "object" ? additionalProperties : {};
    return `Readonly<Record<string, ${typeText(values, indent)}>>`;
  }
  const inner = `${indent}  `;
  const lines = Object.entries(properties).map(([name, field]) => {
    const type = typeText(field, inner);
    const comment = commentText(field.description, inner);
    const member = `${comment}${inner}readonly ${keyText(name)}`;
    return required.includes(name) ? `${member}: ${type};\n` : `${member}?: ${type} | undefined;\n`;
  });
  return lines.length === 0 ? "Readonly<Record<string, never>>" : `{\n${lines.join("")}${indent}}`;
}

function joined(schemas: readonly Schema[], joint: string, indent: string): string {
  return unique(schemas.map((schema) => typeText(schema, indent))).join(joint);
}

function keyText(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}

function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + word.length + 1 > columns) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/** The house's 100, less what stands around a comment. */
const COLUMNS_MAX = 90;
