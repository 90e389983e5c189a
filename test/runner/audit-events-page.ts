/**
 * Writes docs/audit-events.md from the union of events; a test compares the two.
 *
 *     node test/runner/audit-events-page.ts
 */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { EVENT_MEANINGS } from "#shared/audit/event-meanings.ts";
import { auditEventSchema } from "#shared/audit/events.ts";

/** The page's whole text. */
export function renderAuditEventsPage(): string {
  const rows = auditEventSchema.options
    .map(({ shape }) => {
      const type = shape.type.value;
      const meaning = EVENT_MEANINGS[type] ?? `${sayType(type)}.`;
      return `| \`${type}\` | ${meaning} | ${describeData(shape.data)} |`;
    })
    .sort();
  return [...INTRODUCTION, ...rows, ""].join("\n");
}

/** "relay.came-back" says "Relay came back". */
function sayType(type: string): string {
  const words = type.replaceAll(/[.-]/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function describeData(data: z.ZodType): string {
  const { properties = {} } = z.toJSONSchema(data, { io: "input" });
  const fields = Object.entries(properties).map(
    ([name, schema]) => `\`${name}\` ${typeof schema === "boolean" ? "anything" : sayForm(schema)}`,
  );
  return fields.join("<br>");
}

function sayForm(schema: z.core.JSONSchema.JSONSchema): string {
  if (schema.enum !== undefined) {
    return schema.enum.map((value) => `\`${String(value)}\``).join(" ");
  }
  if (schema.type === "array") {
    const { items } = schema;
    const item = typeof items === "object" && !Array.isArray(items) ? sayForm(items) : "anything";
    return `list of ${item}`;
  }
  if (schema.type === "object") {
    return `{${Object.keys(schema.properties ?? {}).join(", ")}}`;
  }
  return schema.type === "string" ? "text" : String(schema.type ?? "anything");
}

const INTRODUCTION = [
  "# Audit events",
  "",
  "Every type of event in the audit trail, and what belongs to it (`data`). Besides, each event has an",
  "`id`, the time (`at`, by the clock of whoever saw it happen), who did it (`actor`), from which",
  "`address`, in which request (`requestId`), and what it is about: `consoleId`, `sessionId`,",
  "`relayId`, and as `subjectId` anything else, such as a user or a webhook. How the trail is searched,",
  "verified, exported and sent on is told in [operate/audit.md](operate/audit.md).",
  "",
  "Types are only ever added, and a type's data only grows: read those that you know and ignore the rest.",
  "",
  "Made from `shared/audit/events.ts` by `npm run docs:audit-events`.",
  "",
  "| type | what it tells | data |",
  "| --- | --- | --- |",
];

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  writeFileSync(join(root, "docs", "audit-events.md"), renderAuditEventsPage());
}
