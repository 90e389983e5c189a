/**
 * The audit trail's table as it is read. What is written comes through store-with-audit.ts.
 *
 * Every filter that names something has an index that goes on with (at_ms, id). A query follows one
 * of them, in the order of the list; what other filters leave out is judged on the way, and no
 * further than LOOK_AHEAD_ROWS, so that a combination that hardly anything fits costs as little as
 * any other: its page is short, and the next one goes on from there.
 */
import { and, between, eq, gte, inArray, isNotNull, lt, type SQL, sql } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import type { StoredAuditEvent } from "#shared/audit/stored-event.ts";
import type { Database } from "./database.ts";
import { auditEvents } from "./schema/audit.ts";

export interface AuditFilter {
  readonly requestId?: string | undefined;
  readonly sessionId?: string | undefined;
  readonly subjectId?: string | undefined;
  readonly consoleId?: string | undefined;
  readonly address?: string | undefined;
  readonly actorId?: string | undefined;
  readonly relayId?: string | undefined;
  /** Any of these; at least one. */
  readonly types?: readonly string[] | undefined;
  /** From this time on, and before that one; in milliseconds since 1970. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
}

/** Position in the list by time. */
export interface AuditCursor {
  readonly atMs: number;
  readonly id: string;
}

export interface AuditPage {
  readonly filter: AuditFilter;
  readonly order: "newest-first" | "oldest-first";
  readonly after: AuditCursor | null;
  readonly limit: number;
}

/** A page has fewer rows than its limit where a look ahead ended; it is the last without `next`. */
export interface AuditRows {
  readonly items: readonly StoredAuditEvent[];
  readonly next: AuditCursor | null;
}

/** The record as it is stored, all but its place in a chain. */
export function auditRow(record: AuditRecord): Omit<StoredAuditEvent, "writer" | "seq" | "hash"> {
  const { event, subjectId = null, ...circumstances } = record;
  return { ...circumstances, subjectId, type: event.type, data: JSON.stringify(event.data) };
}

/** A page of the trail by time. */
export async function listAuditEvents(database: Database, page: AuditPage): Promise<AuditRows> {
  const { types, fromMs, toMs } = page.filter;
  const [lead, ...others] = NAMING.map((name) => [name, page.filter[name]] as const)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => sql`${auditEvents[name]} = ${value}`);
  const range = and(
    fromMs === undefined ? undefined : gte(auditEvents.atMs, fromMs),
    toMs === undefined ? undefined : lt(auditEvents.atMs, toMs),
    behind(page),
  );
  if (lead === undefined && types !== undefined && types.length <= TYPES_MERGED_MAX) {
    return await listByTypes(database, { ...page, types, range });
  }
  const ofType = types === undefined ? undefined : inArray(auditEvents.type, [...types]);
  const judged = and(...others, ofType);
  return judged === undefined
    ? await listByIndex(database, page, and(lead, range))
    : await listJudged(database, { ...page, followed: and(lead, range), judged });
}

/** A page of the chains' links: writer by writer, each from its first link on. */
export async function listChainLinks(
  database: Database,
  page: {
    readonly after: { readonly writer: string; readonly seq: number } | null;
    readonly limit: number;
  },
): Promise<StoredAuditEvent[]> {
  const { writer, seq } = page.after ?? { writer: "", seq: 0 };
  return await database
    .select(STORED_EVENT)
    .from(auditEvents)
    .where(
      and(
        sql`(${auditEvents.writer}, ${auditEvents.seq}) > (${writer}, ${seq})`,
        isNotNull(auditEvents.seq),
      ),
    )
    .orderBy(auditEvents.writer, auditEvents.seq)
    .limit(page.limit);
}

/** Whether a request changed anything at that time: each change has its event. */
export async function hasAuditedRequest(
  database: Database,
  request: { readonly requestId: string; readonly fromMs: number; readonly untilMs: number },
): Promise<boolean> {
  const rows = await database
    .select({ id: auditEvents.id })
    .from(auditEvents)
    .where(
      and(
        between(auditEvents.atMs, request.fromMs, request.untilMs),
        eq(auditEvents.requestId, request.requestId),
      ),
    )
    .limit(1);
  return rows.length > 0;
}

async function listByIndex(
  database: Database,
  page: AuditPage,
  condition: SQL | undefined,
): Promise<AuditRows> {
  const rows = await database
    .select(STORED_EVENT)
    .from(auditEvents)
    .where(condition)
    .orderBy(...byTime(page.order))
    .limit(page.limit + 1);
  return cutPage(rows, page.limit, null);
}

/** Of each type the first rows, by its index; of those together the first. */
async function listByTypes(
  database: Database,
  page: AuditPage & { readonly types: readonly string[]; readonly range: SQL | undefined },
): Promise<AuditRows> {
  const [type] = page.types;
  if (page.types.length === 1 && type !== undefined) {
    return await listByIndex(database, page, and(eq(auditEvents.type, type), page.range));
  }
  const firstOfType = database
    .select({ position: auditEvents.position })
    .from(auditEvents)
    .where(and(sql`${auditEvents.type} = wanted.value`, page.range))
    .orderBy(...byTime(page.order))
    .limit(page.limit + 1);
  const rows = await database
    .select(STORED_EVENT)
    .from(sql`json_each(${JSON.stringify(page.types)}) AS wanted`)
    .crossJoin(auditEvents)
    .where(sql`${auditEvents.position} IN ${firstOfType}`)
    .orderBy(...byTime(page.order))
    .limit(page.limit + 1);
  return cutPage(rows, page.limit, null);
}

/**
 * Follows an index a bounded way and keeps what the other filters let pass. The join has the order
 * in which it is written: another one could look for what passes in the whole trail.
 */
async function listJudged(
  database: Database,
  page: AuditPage & { readonly followed: SQL | undefined; readonly judged: SQL },
): Promise<AuditRows> {
  const order = byTime(page.order);
  const ahead = database
    .select({ position: auditEvents.position })
    .from(auditEvents)
    .where(page.followed)
    .orderBy(...order)
    .limit(LOOK_AHEAD_ROWS)
    .as("ahead");
  const [rows, [edge]] = await database.batch([
    database
      .select(STORED_EVENT)
      .from(ahead)
      .crossJoin(auditEvents)
      .where(and(eq(auditEvents.position, ahead.position), page.judged))
      .orderBy(...order)
      .limit(page.limit + 1),
    database
      .select({ atMs: auditEvents.atMs, id: auditEvents.id })
      .from(auditEvents)
      .where(page.followed)
      .orderBy(...order)
      .limit(1)
      .offset(LOOK_AHEAD_ROWS - 1),
  ]);
  return cutPage(rows, page.limit, edge ?? null);
}

/** One row more than the limit tells that there are more; else `edge` is how far was looked. */
function cutPage(
  rows: readonly StoredAuditEvent[],
  limit: number,
  edge: AuditCursor | null,
): AuditRows {
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return {
    items: rows.slice(0, limit),
    next: last === undefined ? edge : { atMs: last.atMs, id: last.id },
  };
}

/** As a row value, which SQLite looks up in an index; a disjunction it would read and sort. */
function behind({ after, order }: AuditPage): SQL | undefined {
  if (after === null) {
    return undefined;
  }
  const place = sql`(${auditEvents.atMs}, ${auditEvents.id})`;
  return order === "newest-first"
    ? sql`${place} < (${after.atMs}, ${after.id})`
    : sql`${place} > (${after.atMs}, ${after.id})`;
}

function byTime(order: AuditPage["order"]): [SQL, SQL] {
  const direction = order === "newest-first" ? sql`DESC` : sql`ASC`;
  return [sql`${auditEvents.atMs} ${direction}`, sql`${auditEvents.id} ${direction}`];
}

/** All columns but the table's own position. */
export const STORED_EVENT = {
  id: auditEvents.id,
  atMs: auditEvents.atMs,
  type: auditEvents.type,
  actorKind: auditEvents.actorKind,
  actorId: auditEvents.actorId,
  address: auditEvents.address,
  requestId: auditEvents.requestId,
  consoleId: auditEvents.consoleId,
  sessionId: auditEvents.sessionId,
  relayId: auditEvents.relayId,
  subjectId: auditEvents.subjectId,
  data: auditEvents.data,
  writer: auditEvents.writer,
  seq: auditEvents.seq,
  hash: auditEvents.hash,
};

/** The filters that name something, each with its index; those that fit the fewest rows first. */
const NAMING = [
  "requestId",
  "sessionId",
  "subjectId",
  "consoleId",
  "address",
  "actorId",
  "relayId",
] as const;

/** Types whose first rows are merged; more are judged on the way through the whole trail. */
const TYPES_MERGED_MAX = 16;
/** Rows that one page judges at most: some milliseconds of reading. */
const LOOK_AHEAD_ROWS = 2_000;
