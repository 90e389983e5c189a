/**
 * The SQL of who may reach which console: the one place that says which rules are a user's, and how
 * far they go together. Lists and single answers are built of these parts, so that they cannot
 * disagree. What a rule matches is kept by the database (access_matches in the migrations).
 */
import { type SQL, sql } from "drizzle-orm";

/** The subject of rules that are for everyone; no id looks like it. */
export const EVERYONE = "everyone";

/** The subjects whose rules reach the user, as a subquery: the user, their groups, everyone. */
function subjectsOf(userId: string): SQL {
  return sql`(SELECT ${userId} UNION ALL SELECT ${EVERYONE}
    UNION ALL SELECT group_id FROM group_members WHERE user_id = ${userId})`;
}

/**
 * The rank of the highest level that rules give the user of one console; 0 without any.
 *
 * @param consoleId the console's id as an expression of the query around it.
 */
export function rankOfConsole(userId: string, consoleId: SQL): SQL<number> {
  return sql<number>`max(
    coalesce((SELECT max(level) FROM access_rules
      WHERE subject_id IN ${subjectsOf(userId)} AND scope_id IS NULL AND console_id = ${consoleId}), 0),
    coalesce((SELECT max(level) FROM access_rules
      WHERE subject_id IN ${subjectsOf(userId)} AND scope_id IN
        (SELECT scope_id FROM access_scope_consoles WHERE console_id = ${consoleId})), 0))`;
}

/**
 * The clause that begins a statement about many consoles: `target` has what the user's rules are
 * about, each thing once with its rank: `scope_id`, `console_id` (one of them is null) and `level`.
 */
export function withTargets(userId: string): SQL {
  return sql`WITH target AS MATERIALIZED (
    SELECT scope_id, console_id, max(level) AS level FROM access_rules
    WHERE subject_id IN ${subjectsOf(userId)} GROUP BY scope_id, console_id)`;
}

/** As {@link rankOfConsole}, in a statement that begins with {@link withTargets}. */
export function rankByTargets(consoleId: SQL): SQL<number> {
  return sql<number>`max(
    coalesce((SELECT max(level) FROM target WHERE target.console_id = ${consoleId}), 0),
    coalesce((SELECT max(target.level) FROM access_scope_consoles AS s
      CROSS JOIN target ON target.scope_id = s.scope_id WHERE s.console_id = ${consoleId}), 0))`;
}

/** A query of the ids and levels of the rules that give the user something of a console. */
export function rulesOfConsole(userId: string, consoleId: string): SQL {
  return sql`SELECT id FROM access_rules
      WHERE subject_id IN ${subjectsOf(userId)} AND scope_id IS NULL AND console_id = ${consoleId}
    UNION ALL SELECT id FROM access_rules
      WHERE subject_id IN ${subjectsOf(userId)} AND scope_id IN
        (SELECT scope_id FROM access_scope_consoles WHERE console_id = ${consoleId})`;
}
