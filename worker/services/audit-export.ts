/**
 * The audit trail as a stream of text, page after page: whoever reads it decides the pace, and no
 * more than one page is in memory. Who exported what is recorded before the first line.
 */
import { writeAuditLine } from "#shared/audit/audit-line.ts";
import type { TrailLine } from "#shared/audit/trail-file.ts";
import { type AuditCursor, listAuditEvents } from "../repositories/audit-events.ts";
import { storeWithAudit } from "../repositories/store-with-audit.ts";
import { pageCheckpoints, pageHeads, readTrailKeys } from "./audit-chains.ts";
import { csvHead, csvRow } from "./audit-csv.ts";
import { auditRecord } from "./audit-record.ts";
import { type AuditQuery, filterOf, type LinkCursor, pageChainLinks } from "./audit-trail.ts";
import type { Caller, ServiceContext } from "./context.ts";

export type ExportFormat = "ndjson" | "csv";

/** Records that the caller exports events. @param asked the request's query, for the record. */
export async function recordExport(
  context: ServiceContext,
  caller: Caller,
  asked: string,
): Promise<void> {
  const data = { query: asked.slice(0, QUERY_CHARACTERS_MAX) };
  const event = { type: "audit.exported", data } as const;
  await storeWithAudit(context.database, [auditRecord(context, caller, event)]);
}

/** The events that fit, oldest first, up to now at the latest. */
export async function* exportEvents(
  context: ServiceContext,
  query: AuditQuery,
  format: ExportFormat,
): AsyncGenerator<string> {
  const filter = filterOf(query);
  const toMs = Math.min(query.toMs ?? Infinity, context.nowMs());
  if (format === "csv") {
    yield csvHead();
  }
  if (filter === null) {
    return;
  }
  const write = format === "csv" ? csvRow : ndjsonLine;
  const pages = allPages((after: AuditCursor | null) =>
    listAuditEvents(context.database, {
      filter: { ...filter, toMs },
      order: "oldest-first",
      after,
      limit: ROWS_AT_ONCE,
    }),
  );
  for await (const page of pages) {
    yield page.map((event) => write(writeAuditLine(event))).join("");
  }
}

/**
 * The whole trail as a file that can be verified (shared/audit/trail-file.ts). Checkpoints and heads
 * come first, so that all that they speak of is stored before the events are read.
 */
export async function* exportTrail(context: ServiceContext): AsyncGenerator<string> {
  yield ndjsonLine({ trail: await readTrailKeys(context) });
  for await (const page of allPages((after: number | null) => pageCheckpoints(context, after))) {
    yield page.map((checkpoint) => ndjsonLine({ checkpoint })).join("");
  }
  for await (const page of allPages((after: string | null) => pageHeads(context, after))) {
    yield page.map((head) => ndjsonLine({ head })).join("");
  }
  const links = allPages((after: LinkCursor | null) =>
    pageChainLinks(context, { after, limit: ROWS_AT_ONCE }),
  );
  for await (const page of links) {
    yield page.map((link) => ndjsonLine(writeAuditLine(link))).join("");
  }
}

async function* allPages<Item, Cursor>(
  readPage: (
    after: Cursor | null,
  ) => Promise<{ readonly items: readonly Item[]; readonly next: Cursor | null }>,
): AsyncGenerator<readonly Item[]> {
  let after: Cursor | null = null;
  do {
    const page = await readPage(after);
    yield page.items;
    after = page.next;
  } while (after !== null);
}

function ndjsonLine(line: TrailLine): string {
  return `${JSON.stringify(line)}\n`;
}

/** Some hundred kilobytes of text. */
const ROWS_AT_ONCE = 500;
/** The audit trail's bound of a text. */
const QUERY_CHARACTERS_MAX = 1024;
