/**
 * The rules of who may see and open which console. A rule that is not about one console is about a
 * scope; a scope comes with its first rule and goes with its last (triggers in the migrations).
 */
import { and, desc, eq, type SQL, sql } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import {
  type AccessLevel,
  levelOfRank,
  rankOf,
  type SubjectKind,
} from "../identity/access-level.ts";
import { ANY_NAME, fromGlob, toGlob } from "../identity/name-pattern.ts";
import { EVERYONE, rulesOfConsole } from "./access-sql.ts";
import type { Database, Transaction } from "./database.ts";
import { accessRules, accessScopeConsoles, accessScopes } from "./schema/access.ts";
import { consoles, sources } from "./schema/consoles.ts";
import { groups, users } from "./schema/people.ts";
import { insertAuditRecords, storeWithAudit } from "./store-with-audit.ts";

/** To whom a rule gives something. */
export interface RuleSubject {
  readonly kind: SubjectKind;
  /** The user's or the group's id; null for everyone. */
  readonly id: string | null;
}

/** What a rule is about: one console, or every console for which all that is not null is so. */
export type RuleMatch =
  | { readonly consoleId: string }
  | {
      readonly consoleId: null;
      readonly sourceId: string | null;
      readonly project: string | null;
      readonly tag: string | null;
      /** See name-pattern.ts. */
      readonly name: string | null;
    };

export interface NewRule {
  readonly id: string;
  readonly subject: RuleSubject;
  readonly match: RuleMatch;
  readonly level: AccessLevel;
  readonly createdAtMs: number;
}

/** A rule with the names of what it is about; a name is null when the thing is gone. */
export interface RuleSummary {
  readonly id: string;
  readonly subject: RuleSubject & { readonly name: string | null };
  readonly level: AccessLevel;
  readonly console: { readonly id: string; readonly name: string } | null;
  readonly sourceId: string | null;
  readonly source: string | null;
  readonly project: string | null;
  readonly tag: string | null;
  readonly name: string | null;
  readonly createdAtMs: number;
}

/** Position in the list, newest first. */
export interface RuleCursor {
  readonly createdAtMs: number;
  readonly id: string;
}

export interface RulePage {
  readonly after: RuleCursor | null;
  readonly limit: number;
}

/** @throws {Error} a unique violation when the subject has a rule about just that. */
export async function insertRule(
  database: Database,
  rule: NewRule,
  audit: AuditRecord,
): Promise<void> {
  const { id, subject, match, level, createdAtMs } = rule;
  await storeWithAudit(database, [audit], () => [
    ...insertScope(database, match),
    database.insert(accessRules).values({
      id,
      subjectKind: subject.kind,
      subjectId: subject.id ?? EVERYONE,
      ...targetOf(match),
      level: rankOf(level),
      createdAtMs,
    }),
  ]);
}

/**
 * False when there is no such rule, and then nothing is recorded.
 *
 * @throws {Error} a unique violation when the subject has another rule about just that.
 */
export async function updateRule(
  database: Database,
  change: { readonly id: string; readonly match: RuleMatch; readonly level: AccessLevel },
  audit: AuditRecord,
): Promise<boolean> {
  const { id, match, level } = change;
  return await database.transaction(async (transaction) => {
    const isThere = eq(accessRules.id, id);
    // First, because a scope that no rule has would stay.
    const found = await transaction.select({ id: accessRules.id }).from(accessRules).where(isThere);
    if (found.length === 0) {
      return false;
    }
    for (const insert of insertScope(transaction, match)) {
      await insert;
    }
    await transaction
      .update(accessRules)
      .set({ ...targetOf(match), level: rankOf(level) })
      .where(isThere);
    await insertAuditRecords(transaction, [audit]);
    return true;
  });
}

/** False when there is no such rule, and then nothing is recorded. */
export async function deleteRule(
  database: Database,
  id: string,
  audit: AuditRecord,
): Promise<boolean> {
  return await database.transaction(async (transaction) => {
    const deleted = await transaction
      .delete(accessRules)
      .where(eq(accessRules.id, id))
      .returning({ id: accessRules.id });
    if (deleted.length > 0) {
      await insertAuditRecords(transaction, [audit]);
    }
    return deleted.length > 0;
  });
}

export async function findRule(database: Database, id: string): Promise<RuleSummary | null> {
  const [row] = await selectRules(database).where(eq(accessRules.id, id)).limit(1);
  return row === undefined ? null : toSummary(row);
}

/** A page of rules, newest first; of a subject, or about a single console. */
export async function listRules(
  database: Database,
  page: RulePage & {
    readonly subjectId: string | undefined;
    readonly consoleId: string | undefined;
  },
): Promise<RuleSummary[]> {
  const { subjectId, consoleId } = page;
  return await readPage(
    database,
    page,
    and(
      subjectId === undefined ? undefined : eq(accessRules.subjectId, subjectId),
      consoleId === undefined ? undefined : eq(accessRules.consoleId, consoleId),
    ),
  );
}

/** A page of the rules that match the console, whoever they are for, newest first. */
export async function listRulesOfConsole(
  database: Database,
  page: RulePage & { readonly consoleId: string },
): Promise<RuleSummary[]> {
  const { consoleId } = page;
  const scopes = database
    .select({ id: accessScopeConsoles.scopeId })
    .from(accessScopeConsoles)
    .where(eq(accessScopeConsoles.consoleId, consoleId));
  const matching = sql`${accessRules.id} IN (
    SELECT id FROM access_rules WHERE console_id = ${consoleId}
    UNION ALL SELECT id FROM access_rules WHERE scope_id IN ${scopes})`;
  return await readPage(database, page, matching);
}

/** The rules that give the user something of the console, highest level first. */
export async function listRulesBetween(
  database: Database,
  between: { readonly userId: string; readonly consoleId: string },
): Promise<RuleSummary[]> {
  const { userId, consoleId } = between;
  const rows = await selectRules(database)
    .where(sql`${accessRules.id} IN (${rulesOfConsole(userId, consoleId)})`)
    .orderBy(desc(accessRules.level), desc(accessRules.createdAtMs), desc(accessRules.id))
    .limit(RULES_EXPLAINED_MAX);
  return rows.map(toSummary);
}

async function readPage(
  database: Database,
  { after, limit }: RulePage,
  condition: SQL | undefined,
): Promise<RuleSummary[]> {
  const rows = await selectRules(database)
    .where(
      and(
        condition,
        // As a row value, which SQLite looks up in an index; a disjunction it would read and sort.
        after === null
          ? undefined
          : sql`(${accessRules.createdAtMs}, ${accessRules.id}) < (${after.createdAtMs}, ${after.id})`,
      ),
    )
    .orderBy(desc(accessRules.createdAtMs), desc(accessRules.id))
    .limit(limit);
  return rows.map(toSummary);
}

/** The statement that makes the match's scope, if it is about one; the database fills it. */
function insertScope(database: Database | Transaction, match: RuleMatch) {
  return match.consoleId === null
    ? [database.insert(accessScopes).values(scopeOf(match)).onConflictDoNothing()]
    : [];
}

function targetOf(match: RuleMatch) {
  if (match.consoleId !== null) {
    return { consoleId: match.consoleId, scopeId: null };
  }
  const { tag, project, sourceId, nameGlob } = scopeOf(match);
  const scopeId = sql<number>`(SELECT id FROM access_scopes WHERE tag = ${tag}
    AND project = ${project} AND source_id = ${sourceId} AND name_glob = ${nameGlob})`;
  return { consoleId: null, scopeId };
}

function scopeOf(match: Extract<RuleMatch, { readonly consoleId: null }>) {
  return {
    tag: match.tag ?? "",
    project: match.project ?? "",
    sourceId: match.sourceId ?? "",
    nameGlob: toGlob(match.name ?? ANY_NAME),
  };
}

function selectRules(database: Database) {
  return database
    .select({
      id: accessRules.id,
      subjectKind: accessRules.subjectKind,
      subjectId: accessRules.subjectId,
      username: users.username,
      groupName: groups.name,
      level: accessRules.level,
      consoleId: accessRules.consoleId,
      consoleName: consoles.name,
      sourceId: accessScopes.sourceId,
      source: sources.name,
      project: accessScopes.project,
      tag: accessScopes.tag,
      nameGlob: accessScopes.nameGlob,
      createdAtMs: accessRules.createdAtMs,
    })
    .from(accessRules)
    .leftJoin(users, eq(users.id, accessRules.subjectId))
    .leftJoin(groups, eq(groups.id, accessRules.subjectId))
    .leftJoin(consoles, eq(consoles.id, accessRules.consoleId))
    .leftJoin(accessScopes, eq(accessScopes.id, accessRules.scopeId))
    .leftJoin(sources, eq(sources.id, accessScopes.sourceId));
}

type RuleRow = Awaited<ReturnType<typeof selectRules>>[number];

function toSummary(row: RuleRow): RuleSummary {
  const { subjectKind: kind, subjectId, consoleId, consoleName, nameGlob } = row;
  const name = nameGlob === null ? null : fromGlob(nameGlob);
  return {
    id: row.id,
    subject: {
      kind,
      id: kind === "everyone" ? null : subjectId,
      name: kind === "user" ? row.username : row.groupName,
    },
    level: levelOfRank(row.level) ?? "view",
    console: consoleId === null ? null : { id: consoleId, name: consoleName ?? "" },
    sourceId: presentText(row.sourceId),
    source: row.source,
    project: presentText(row.project),
    tag: presentText(row.tag),
    name: name === ANY_NAME ? null : name,
    createdAtMs: row.createdAtMs,
  };
}

/** An empty text stands for any. */
function presentText(text: string | null): string | null {
  return text === "" ? null : text;
}

/** More rules between one user and one console explain nothing further. */
const RULES_EXPLAINED_MAX = 100;
