/**
 * Writes docs/messages.md from the message tables; a test compares the two.
 *
 *     node test/runner/messages-page.ts
 */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { CHANNEL_NAMES, CHANNEL_TYPE } from "#shared/spice/channel-names.ts";
import { type Direction, messageRows, type MessageRow } from "#shared/spice/channel-table.ts";

/** The page's whole text. */
export function renderMessagesPage(): string {
  // Any channel's own messages begin at 101: those below are the same on each.
  const base = (direction: Direction) =>
    table(messageRows("main", direction).filter(({ type }) => type < OWN_TYPES_FROM));
  const own = CHANNEL_NAMES.flatMap((channel) => [
    `## ${channel} (${CHANNEL_TYPE[channel]})`,
    "",
    ...DIRECTIONS.flatMap((direction) => {
      const rows = messageRows(channel, direction).filter(({ type }) => type >= OWN_TYPES_FROM);
      const none = [`From the ${direction}: base messages only.`, ""];
      return rows.length === 0 ? none : [`From the ${direction}:`, "", ...table(rows)];
    }),
  ]);
  const bases = DIRECTIONS.flatMap((side) => [`From the ${side}:`, "", ...base(side)]);
  const lines = [...INTRODUCTION, "## Every channel", "", ...bases, ...own];
  return lines.join("\n");
}

function table(rows: readonly MessageRow[]): string[] {
  const lines = rows.map(
    (row) => `| ${row.type} | \`${row.name}\` | ${sizes(row)} | ${row.quiet ? "yes" : ""} |`,
  );
  return ["| number | message | bytes | quiet |", "| --: | --- | --- | --- |", ...lines, ""];
}

function sizes({ sizeMin, sizeMax }: MessageRow): string {
  const written = (bytes: number) => bytes.toLocaleString("en-US");
  return sizeMin === sizeMax ? written(sizeMin) : `${written(sizeMin)} to ${written(sizeMax)}`;
}

const DIRECTIONS = ["server", "client"] as const;
const OWN_TYPES_FROM = 101;

const INTRODUCTION = [
  "# Messages",
  "",
  "What a relay lets through: every message of every channel, by its number, with the bytes that its",
  "body may have. A message with another number or another size is not lawful: the channel ends",
  "(`enforce`) or the message is counted and passed (`observe`), as the session's policy says. *Quiet*",
  "messages are housekeeping: a session in which nothing else flows is idle. A `LIST` is judged by the",
  "messages that it holds.",
  "",
  "Made from `shared/spice/channels/` by `npm run docs:messages`.",
  "",
];

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  writeFileSync(join(root, "docs", "messages.md"), renderMessagesPage());
}
