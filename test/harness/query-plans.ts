/**
 * Judges how the database would answer a statement: what it does must grow with the answer and
 * never with a table. SQLite says how in its query plan: a SCAN reads a whole table or index, and a
 * TEMP B-TREE FOR ORDER BY sorts all rows that it found.
 */
import type { InValue } from "@libsql/client/web";

/** The rows of a query. */
export type Ask = (
  sql: string,
  args: InValue[],
) => Promise<readonly Readonly<Record<string, unknown>>[]>;

/**
 * What grows with a table, by statement; nothing is what tests expect.
 *
 * @param judged with statistics SQLite sorts where it knows that it finds few rows: then `scans` alone
 * are judged.
 */
export async function findExpensiveSteps(
  statements: ReadonlyMap<string, InValue[]>,
  ask: Ask,
  judged: "scans and sorts" | "scans" = "scans and sorts",
): Promise<Record<string, string[]>> {
  const expensive: Record<string, string[]> = {};
  for (const [sql, args] of statements) {
    if (isJudged(sql)) {
      const rows = await ask(`EXPLAIN QUERY PLAN ${sql}`, args);
      const steps = expensiveSteps(
        sql,
        rows.map((row) => ({ detail: String(row["detail"]), parent: Number(row["parent"]) })),
      ).filter((detail) => judged === "scans and sorts" || detail.startsWith("SCAN "));
      if (steps.length > 0) {
        expensive[sql] = steps;
      }
    }
  }
  return expensive;
}

/** Whether a statement has a plan worth judging: an INSERT's or a BEGIN's says nothing. */
export function isJudged(sql: string): boolean {
  return /^(?:select|update|delete|with)/i.test(sql);
}

interface Step {
  readonly detail: string;
  /** The step that it is a part of. */
  readonly parent: number;
}

function expensiveSteps(sql: string, steps: readonly Step[]): string[] {
  return steps
    .filter(
      (step) =>
        (step.detail.startsWith("SCAN ") && !scansLittle(sql, step)) ||
        (step.detail.includes("FOR ORDER BY") && !sortsLittle(sql, step, steps)),
    )
    .map(({ detail }) => detail);
}

function scansLittle(sql: string, { detail }: Step): boolean {
  return (
    SCANS_LITTLE.test(detail) ||
    SCANS_TO_LIMIT.test(detail) ||
    isFirstPage(sql) ||
    (COUNTS_RELAYS.test(sql) && /^SCAN relays\b/.test(detail))
  );
}

function sortsLittle(sql: string, { parent }: Step, steps: readonly Step[]): boolean {
  const others = steps.filter((step) => step.parent === parent);
  return (
    SORTS_LITTLE.some((pattern) => pattern.test(sql)) ||
    others.some(({ detail }) => SCANS_BOUNDED.test(detail))
  );
}

/** As SCANS_TO_LIMIT, of lists whose order is a key's own. */
function isFirstPage(sql: string): boolean {
  return !sql.includes(" where ") && sql.endsWith(" limit ?");
}

/** What a statement has bounded itself, by the names that statements give it. */
const SCANS_BOUNDED = /^SCAN (?:page|candidate|target|owned|walked|next)$/;

/**
 * The same, without a name, and lists of arguments; a console's site and its fallbacks; denials, of
 * which those that are past are swept every minute, so that the rest is the answer.
 */
const SCANS_LITTLE =
  /^SCAN (?:CONSTANT ROW|\(subquery-\d+\)|(?:page|candidate|target|owned|walked|next)$|json_each|\w+ VIRTUAL|wanted|ahead|webhooks|chain$|denials)/;

/** What metrics count: relays, which are few, and the living sessions of each. */
const COUNTS_RELAYS = /^select .*count\(\*\) from "relays" /;

/**
 * The first page of everything: an index is read from its end, as far as the limit goes. Some
 * indexes have only what is wanted.
 */
const SCANS_TO_LIMIT =
  /USING (?:COVERING )?INDEX (?:consoles_by_name|users_by_username|(?:sessions|access_rules|shares)_by_created|sessions_live|audit_events_unchained|join_tokens_pending|relays_disabled|sqlite_autoindex_relays_2)$/;

/**
 * A relay has eight streams at most, and few sessions that wait to be opened; a console, few rules,
 * and one of each subject; a subject, sixteen policies; a name is one relay's.
 */
const SORTS_LITTLE = [
  /from "webhooks" order by/,
  // Of audit events those are sorted that a bounded subquery chose.
  /from \(select .* limit \?\) "ahead" cross join/,
  /AS wanted cross join "audit_events" where .* IN \(select .* limit \?\)/,
  /where \(?"policy_attachments"."subject_id" = \?( and "policy_attachments"."id" > \?\))? order/,
  /from "relay_streams"/,
  /"relays"\."name" = \?/,
  /order by "tickets"\."expires_at_ms" asc limit \?$/,
  /where \("access_rules"."subject_id" = \? and "access_rules"."console_id" = \?/,
  /from "access_rules" .* where \(?"access_rules"\."id" IN \(/s,
];
