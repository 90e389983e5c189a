/** Schemas as people read them: a type in a few words, and a table of an object's fields. */
import { html } from "hono/html";
import type { Schema } from "../description/api-description.ts";
import { type Html, inline, table } from "./docs-text.ts";

/** The type in a few words; a schema with a name is a link to it. */
export function typeView(schema: Schema): Html {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split("/").at(-1) ?? "";
    return html`<a href="#schema-${name}">${name}</a>`;
  }
  const choices = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (choices !== undefined) {
    const joint = schema.allOf === undefined ? " or " : " and ";
    return joined(choices.map(typeView), joint);
  }
  const literals = schema.const === undefined ? schema.enum : [schema.const];
  if (literals !== undefined) {
    return joined(
      literals.map((value) => html`<code>${JSON.stringify(value)}</code>`),
      " or ",
    );
  }
  if (schema.items !== undefined) {
    return html`list of ${typeView(schema.items)}`;
  }
  if (typeof schema.additionalProperties === "object" && schema.properties === undefined) {
    return html`map to ${typeView(schema.additionalProperties)}`;
  }
  const types = [schema.type ?? "anything"].flat().filter((name) => name !== "null");
  const isNullable = [schema.type].flat().includes("null");
  return html`${types.join(" or ")}${isNullable ? " or null" : ""}`;
}

/** An object's fields, each with its type, bounds and description; null for other schemas. */
export function fieldsView(schema: Schema): Html | null {
  const required = new Set(schema.required ?? []);
  const rows = Object.entries(schema.properties ?? {}).map(([name, field]) => [
    html`<code>${name}</code
      >${required.has(name) ? "" : html` <span class="faint">optional</span>`}`,
    typeView(field),
    notesView(field),
  ]);
  return table(["field", "type", "meaning"], rows);
}

/** Description, bounds, default and example. */
export function notesView(schema: Schema): Html {
  const notes = [
    ...boundsOf(schema),
    ...(schema.default === undefined ? [] : [`default \`${JSON.stringify(schema.default)}\``]),
    ...(schema.example === undefined ? [] : [`such as \`${JSON.stringify(schema.example)}\``]),
  ];
  const description = schema.description ?? "";
  return html`${inline(description)}${description === "" || notes.length === 0 ? "" : " "}
  ${notes.length === 0 ? null : html`<span class="faint">${inline(notes.join(", "))}</span>`}`;
}

function boundsOf(schema: Schema): string[] {
  const isLowest = schema.minimum === undefined || schema.minimum <= Number.MIN_SAFE_INTEGER;
  const isHighest = schema.maximum === undefined || schema.maximum >= Number.MAX_SAFE_INTEGER;
  return [
    ...(schema.format === undefined ? [] : [schema.format]),
    ...(isLowest ? [] : [`at least ${schema.minimum}`]),
    ...(isHighest ? [] : [`at most ${schema.maximum}`]),
    ...(schema.maxLength === undefined ? [] : [`at most ${schema.maxLength} characters`]),
  ];
}

function joined(parts: readonly Html[], joint: string): Html {
  return html`${parts.map((part, index) => (index === 0 ? part : html`${joint}${part}`))}`;
}
