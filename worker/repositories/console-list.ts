/**
 * The list of consoles, by name and then id, each page exactly full: whoever sees all gets the next
 * rows of an index, everybody else the next ones of what their rules reach. What a page costs grows
 * with the page and with the number of the user's own rules, not with the number of consoles.
 */
import { and, asc, eq, type SQL, sql } from "drizzle-orm";
import { rankByTargets, withTargets } from "./access-sql.ts";
import { type ConsoleSummary, SUMMARY, type SummaryRow, toSummary } from "./console-summary.ts";
import type { Database } from "./database.ts";
import { consoles, sources } from "./schema/consoles.ts";

/** Position in the list, by name. */
export interface ConsoleCursor {
  readonly name: string;
  readonly id: string;
}

/** What must all be so of a console; what is absent may be anything. */
export interface ConsoleFilter {
  /** The whole name. */
  readonly name?: string | undefined;
  /** What the name begins with. */
  readonly namePrefix?: string | undefined;
  /** The source's name. */
  readonly source?: string | undefined;
  readonly project?: string | undefined;
  readonly tag?: string | undefined;
  /** The site that it belongs to: its own, else its source's. */
  readonly siteId?: string | undefined;
}

export interface ConsolePage {
  /** Whose rules count. */
  readonly userId: string;
  /** Whether the user sees consoles without a rule too. */
  readonly seesAll: boolean;
  readonly filter: ConsoleFilter;
  readonly after: ConsoleCursor | null;
  readonly limit: number;
}

/** A page of the consoles that the user sees. */
export async function listConsoles(
  database: Database,
  page: ConsolePage,
): Promise<ConsoleSummary[]> {
  if (page.seesAll) {
    return await readPage(database, nextOfAll(page));
  }
  const { source, project, tag, siteId } = page.filter;
  if ([source, project, tag, siteId].some((wanted) => wanted !== undefined)) {
    const found = await tryCandidates(database, page);
    if (found !== null) {
      return found;
    }
  }
  return await readPage(database, nextOfTargets(page));
}

/**
 * The page out of the first consoles that pass the filter, where these suffice: few consoles of a
 * tag are found at once in a scope of a hundred thousand. Null when there are too many of them, most
 * of them somebody else's; then it is better to look through what the user sees.
 */
async function tryCandidates(
  database: Database,
  page: ConsolePage,
): Promise<ConsoleSummary[] | null> {
  const candidates = nextFiltered(page, CANDIDATES_MAX);
  const rank = rankByTargets(sql`candidate.console_id`);
  const visible = sql`${withTargets(page.userId)} SELECT name, console_id, rank
    FROM (SELECT name, console_id, ${rank} AS rank FROM (${candidates}) AS candidate)
    WHERE rank > 0 ORDER BY name, console_id LIMIT ${page.limit}`;
  const [[counted], rows] = await database.batch([
    database.all<{ count: number }>(sql`SELECT count(*) AS count FROM (${candidates})`),
    selectPage(database, visible),
  ]);
  const isWhole = rows.length === page.limit || (counted?.count ?? 0) < CANDIDATES_MAX;
  return isWhole ? rows.map(toSummary) : null;
}

async function readPage(database: Database, page: SQL): Promise<ConsoleSummary[]> {
  return (await selectPage(database, page)).map(toSummary);
}

/** The rows of a page, which is a query of `name`, `console_id` and `rank`. */
function selectPage(database: Database, page: SQL) {
  return (
    database
      .select({ ...SUMMARY, rank: sql<number>`page.rank` })
      .from(sql`(${page}) AS page`)
      // A cross join, because SQLite reads its left side first: here a page and not the table.
      .crossJoin(consoles)
      .innerJoin(sources, eq(sources.id, consoles.sourceId))
      .where(eq(consoles.id, sql`page.console_id`))
      .orderBy(asc(sql`page.name`), asc(sql`page.console_id`)) satisfies PromiseLike<SummaryRow[]>
  );
}

function nextOfAll(page: ConsolePage): SQL {
  const rank = rankByTargets(sql`candidate.console_id`);
  return sql`${withTargets(page.userId)} SELECT name, console_id, ${rank} AS rank
    FROM (${nextFiltered(page, page.limit)}) AS candidate`;
}

/** The next consoles that pass the filter, whoever may see them: `name` and `console_id`. */
function nextFiltered(page: ConsolePage, limit: number): SQL {
  const { tag, ...filter } = page.filter;
  const { source, project, siteId } = filter;
  if (siteId !== undefined && tag === undefined && source === undefined && project === undefined) {
    return nextOfSite(page, siteId, limit);
  }
  // The index that the order comes from: a tag's own, else one of the consoles.
  const [from, names] =
    tag === undefined
      ? [sql`consoles AS c`, NAMES_OF_CONSOLES]
      : [sql`console_tags AS t CROSS JOIN consoles AS c ON c.id = t.console_id`, NAMES_OF_TAGS];
  return sql`SELECT ${names.name} AS name, ${names.id} AS console_id FROM ${from}
    WHERE ${and(
      sql`c.deleted_at_ms IS NULL`,
      tag === undefined ? undefined : sql`t.tag = ${tag}`,
      isInRange(names, page),
      passesFilter(filter),
    )}
    ORDER BY ${names.name}, ${names.id} LIMIT ${limit}`;
}

/**
 * The next consoles of a site: of those that name it, and of each of its sources' that name none, as
 * many as a page holds; the first of all of them together are the page.
 */
function nextOfSite(page: ConsolePage, siteId: string, limit: number): SQL {
  const nextWhere = (condition: SQL): SQL => sql`SELECT c.name, c.id AS console_id
    FROM consoles AS c
    WHERE ${and(condition, sql`c.deleted_at_ms IS NULL`, isInRange(NAMES_OF_CONSOLES, page))}
    ORDER BY c.name, c.id LIMIT ${limit}`;
  return sql`SELECT name, console_id FROM (
      SELECT name, console_id FROM (${nextWhere(sql`c.site_id = ${siteId}`)})
      UNION ALL
      SELECT n.value ->> 0, n.value ->> 1
        FROM sources AS source CROSS JOIN json_each((
          ${asArray(nextWhere(sql`c.source_id = source.id AND c.site_id IS NULL`))})) AS n
        WHERE source.site_id = ${siteId}
    ) AS next ORDER BY name, console_id LIMIT ${limit}`;
}

/**
 * The next consoles that the user's rules reach. Each scope gives its own next ones, as many as a
 * page holds; the first of all of them together are the page, and each is there with every scope that
 * has it, so that the highest rank is among them.
 */
function nextOfTargets(page: ConsolePage): SQL {
  const passes = passesFilter(page.filter);
  const consoleOfScope =
    passes === undefined ? sql`` : sql`CROSS JOIN consoles AS c ON c.id = s.console_id`;
  const nextOfScope = sql`SELECT s.name, s.console_id
    FROM access_scope_consoles AS s ${consoleOfScope}
    WHERE ${and(sql`s.scope_id = target.scope_id`, isInRange(NAMES_OF_SCOPES, page), passes)}
    ORDER BY s.name, s.console_id LIMIT ${page.limit}`;
  return sql`${withTargets(page.userId)}
    SELECT name, console_id, max(level) AS rank FROM (
      SELECT n.value ->> 0 AS name, n.value ->> 1 AS console_id, target.level
        FROM target CROSS JOIN json_each((${asArray(nextOfScope)})) AS n
        WHERE target.scope_id IS NOT NULL
      UNION ALL
      SELECT c.name, c.id, target.level
        FROM target CROSS JOIN consoles AS c ON c.id = target.console_id
        WHERE ${and(
          sql`target.console_id IS NOT NULL`,
          sql`c.deleted_at_ms IS NULL`,
          isInRange(NAMES_OF_CONSOLES, page),
          passes,
        )}
    ) GROUP BY name, console_id ORDER BY name, console_id LIMIT ${page.limit}`;
}

/**
 * A query of `name` and `console_id` as one value for json_each, which takes the row beside it as its
 * argument: no other subquery in FROM can in SQLite.
 */
function asArray(next: SQL): SQL {
  return sql`SELECT json_group_array(json_array(name, console_id)) FROM (${next})`;
}

/** The columns of an index that has consoles in the list's order. */
interface Names {
  readonly name: SQL;
  readonly id: SQL;
}

/** After the page before, and with the wanted name: what such an index finds by itself. */
function isInRange({ name, id }: Names, { after, filter }: ConsolePage): SQL | undefined {
  return and(
    filter.name === undefined ? undefined : sql`${name} = ${filter.name}`,
    filter.namePrefix === undefined
      ? undefined
      : sql`${name} >= ${filter.namePrefix} AND ${name} < ${filter.namePrefix + LAST_CHARACTER}`,
    // As a row value, which SQLite looks up in an index; a disjunction it would read through.
    after === null ? undefined : sql`(${name}, ${id}) > (${after.name}, ${after.id})`,
  );
}

/** What else the filter wants of `c`, a row of consoles. */
function passesFilter(filter: ConsoleFilter): SQL | undefined {
  const { source, project, tag, siteId } = filter;
  return and(
    source === undefined
      ? undefined
      : sql`c.source_id = (SELECT id FROM sources WHERE name = ${source})`,
    project === undefined ? undefined : sql`c.project = ${project}`,
    tag === undefined
      ? undefined
      : sql`EXISTS (SELECT 1 FROM console_tags WHERE console_id = c.id AND tag = ${tag})`,
    siteId === undefined
      ? undefined
      : sql`coalesce(c.site_id, (SELECT site_id FROM sources WHERE id = c.source_id)) = ${siteId}`,
  );
}

const NAMES_OF_CONSOLES: Names = { name: sql`c.name`, id: sql`c.id` };
const NAMES_OF_TAGS: Names = { name: sql`t.name`, id: sql`t.console_id` };
const NAMES_OF_SCOPES: Names = { name: sql`s.name`, id: sql`s.console_id` };

/** Follows every other character in SQLite's order of texts. */
const LAST_CHARACTER = "\u{10ffff}";

/** Consoles that are judged one by one: a few milliseconds' work. */
const CANDIDATES_MAX = 500;
