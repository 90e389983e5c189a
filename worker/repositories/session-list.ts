/**
 * The list of sessions, newest first: everybody's, or those that a user may see: their own, and all
 * of the consoles that they own.
 */
import { and, desc, eq, type SQL, sql } from "drizzle-orm";
import { rankOf } from "../identity/access-level.ts";
import { rankByTargets, rankOfConsole, withTargets } from "./access-sql.ts";
import type { Database } from "./database.ts";
import { consoles } from "./schema/consoles.ts";
import { users } from "./schema/people.ts";
import { relays } from "./schema/relays.ts";
import { sessions } from "./schema/sessions.ts";
import { shares } from "./schema/shares.ts";
import { requesters, SESSION_SUMMARY, type SessionSummary } from "./sessions.ts";

/** Position in the list, newest first. */
export interface SessionCursor {
  readonly createdAtMs: number;
  readonly id: string;
}

/** Every filter that is given must match. */
export interface SessionFilter {
  /** `live` is pending or active. */
  readonly state?: SessionSummary["state"] | "live" | undefined;
  readonly consoleId?: string | undefined;
  readonly userId?: string | undefined;
  readonly relayId?: string | undefined;
  /** Created at or after, and before, in milliseconds since 1970. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
}

export interface SessionPage {
  /** Whose rules count. */
  readonly userId: string;
  /** Whether the user sees everybody's sessions. */
  readonly seesAll: boolean;
  readonly filter: SessionFilter;
  readonly after: SessionCursor | null;
  readonly limit: number;
}

export interface ListedSessions {
  readonly rows: SessionSummary[];
  /** Where to go on when `rows` are fewer than the limit and yet not the last; else null. */
  readonly resume: SessionCursor | null;
}

/** A page of the sessions that the user sees; see {@link ListedSessions} for one that is not full. */
export async function listSessions(database: Database, page: SessionPage): Promise<ListedSessions> {
  if (page.seesAll || page.filter.consoleId !== undefined) {
    const rows = await selectPage(database, nextOfIndex(page));
    return { rows, resume: null };
  }
  const [[counted], rows] = await database.batch([
    database.all<{ count: number }>(
      sql`SELECT count(*) AS count FROM (${ownedConsoles(page.userId)})`,
    ),
    selectPage(database, nextOfOwned(page)),
  ]);
  if ((counted?.count ?? 0) < OWNED_CONSOLES_MAX) {
    return { rows, resume: null };
  }
  return await walk(database, page);
}

/**
 * For the owner of very many consoles: looks through the newest sessions of everybody. Which of them
 * are the user's may be few, so that a page may not be full.
 */
async function walk(database: Database, page: SessionPage): Promise<ListedSessions> {
  const walked = sql`SELECT id, created_at_ms, console_id, user_id FROM sessions
    WHERE ${and(conditionsOf(page.filter), isAfter(page))}
    ORDER BY created_at_ms DESC, id DESC LIMIT ${WALKED_SESSIONS_MAX}`;
  const rank = rankByTargets(sql`walked.console_id`);
  const visible = sql`${withTargets(page.userId)} SELECT id, created_at_ms FROM (${walked}) AS walked
    WHERE user_id = ${page.userId} OR ${rank} = ${rankOf("own")}
    ORDER BY created_at_ms DESC, id DESC LIMIT ${page.limit}`;
  const [ends, rows] = await database.batch([
    database.all<{ createdAtMs: number; id: string }>(
      sql`SELECT created_at_ms AS createdAtMs, id FROM (${walked})
        LIMIT 1 OFFSET ${WALKED_SESSIONS_MAX - 1}`,
    ),
    selectPage(database, visible),
  ]);
  const isFull = rows.length === page.limit;
  return { rows, resume: isFull ? null : (ends[0] ?? null) };
}

/** The rows of a page, which is a query of `id` and `created_at_ms`. */
function selectPage(database: Database, page: SQL) {
  return (
    database
      .select(SESSION_SUMMARY)
      .from(sql`(${page}) AS page`)
      // A cross join, because SQLite reads its left side first: here a page and not the table.
      .crossJoin(sessions)
      .innerJoin(consoles, eq(consoles.id, sessions.consoleId))
      .innerJoin(users, eq(users.id, sessions.userId))
      .leftJoin(relays, eq(relays.id, sessions.relayId))
      .leftJoin(shares, eq(shares.id, sessions.shareId))
      .leftJoin(requesters, eq(requesters.id, sessions.endRequestedBy))
      .where(eq(sessions.id, sql`page.id`))
      .orderBy(desc(sql`page.created_at_ms`), desc(sql`page.id`))
  );
}

/** Everybody's, or one console's: of that one the user sees all or, not owning it, their own. */
function nextOfIndex(page: SessionPage): SQL {
  const { filter, userId, seesAll } = page;
  return sql`SELECT id, created_at_ms FROM sessions WHERE ${and(
    conditionsOf(filter),
    seesAll
      ? undefined
      : sql`(user_id = ${userId} OR ${rankOfConsole(userId, sql`${filter.consoleId}`)} = ${rankOf("own")})`,
    isAfter(page),
  )} ORDER BY created_at_ms DESC, id DESC LIMIT ${page.limit}`;
}

/** The user's own, and the next ones of each console that they own. */
function nextOfOwned(page: SessionPage): SQL {
  const next = (condition: SQL) => sql`SELECT id, created_at_ms FROM sessions
    WHERE ${and(condition, conditionsOf(page.filter), isAfter(page))}
    ORDER BY created_at_ms DESC, id DESC LIMIT ${page.limit}`;
  return sql`SELECT DISTINCT id, created_at_ms FROM (
      SELECT * FROM (${next(sql`user_id = ${page.userId}`)})
      UNION ALL
      SELECT n.value ->> 0, n.value ->> 1
        FROM (${ownedConsoles(page.userId)}) AS owned CROSS JOIN json_each((
          SELECT json_group_array(json_array(id, created_at_ms))
          FROM (${next(sql`console_id = owned.console_id`)}))) AS n
    ) AS candidate ORDER BY created_at_ms DESC, id DESC LIMIT ${page.limit}`;
}

/** The consoles that the user owns by some rule; one may be there twice. */
function ownedConsoles(userId: string): SQL {
  return sql`${withTargets(userId)} SELECT coalesce(target.console_id, s.console_id) AS console_id
    FROM target LEFT JOIN access_scope_consoles AS s ON s.scope_id = target.scope_id
    WHERE target.level = ${rankOf("own")} AND coalesce(target.console_id, s.console_id) IS NOT NULL
    LIMIT ${OWNED_CONSOLES_MAX}`;
}

/** The filter on the columns of `sessions`. */
function conditionsOf(filter: SessionFilter): SQL | undefined {
  const { state, consoleId, userId, relayId, fromMs, toMs } = filter;
  return and(
    // Written out, because SQLite proves from it that an index of the living has all rows.
    state === undefined || state === "ended" ? undefined : sql`state <> 'ended'`,
    state === undefined || state === "live" ? undefined : sql`state = ${state}`,
    consoleId === undefined ? undefined : sql`console_id = ${consoleId}`,
    userId === undefined ? undefined : sql`user_id = ${userId}`,
    relayId === undefined ? undefined : sql`relay_id = ${relayId}`,
    fromMs === undefined ? undefined : sql`created_at_ms >= ${fromMs}`,
    toMs === undefined ? undefined : sql`created_at_ms < ${toMs}`,
  );
}

function isAfter({ after }: SessionPage): SQL {
  // As a row value, which SQLite looks up in an index; a disjunction it would read and sort.
  return after === null
    ? sql`true`
    : sql`(created_at_ms, id) < (${after.createdAtMs}, ${after.id})`;
}

/** Looking at so many consoles one by one takes some milliseconds. */
const OWNED_CONSOLES_MAX = 500;
/** As much work, spent the other way round. */
const WALKED_SESSIONS_MAX = 2_000;
