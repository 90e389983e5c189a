/**
 * The rules of who may see and open which console: making, changing and taking them away. Nothing is
 * granted without a rule.
 */
import { newId } from "#shared/base/ids.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import type { AccessLevel } from "../identity/access-level.ts";
import {
  deleteRule,
  findRule,
  insertRule,
  listRules,
  type RuleCursor,
  type RuleMatch,
  type RuleSummary,
  updateRule,
} from "../repositories/access-rules.ts";
import { isUniqueViolation } from "../repositories/database-errors.ts";
import { auditRecord } from "./audit-record.ts";
import type { Caller, ServiceContext } from "./context.ts";
import type { FieldFailure } from "./field-failure.ts";
import { cutPage, timeCursor, withOneMore } from "./page.ts";
import { type MatchInput, type NewRuleInput, resolveMatch, resolveSubject } from "./rule-input.ts";

/** Fails with `request.invalid` and the field, or `resource.conflict` when the subject has it. */
export async function grantAccess(
  context: ServiceContext,
  caller: Caller,
  input: NewRuleInput,
): Promise<Result<RuleSummary, FieldFailure>> {
  const [subject, match] = await Promise.all([
    resolveSubject(context, input.subject),
    resolveMatch(context, caller, input.match),
  ]);
  if (!subject.ok) {
    return subject;
  }
  if (!match.ok) {
    return match;
  }
  const rule: RuleSummary = {
    id: newId("accessRule", context.randomBytes),
    subject: subject.value,
    level: input.level,
    ...match.value.summary,
    createdAtMs: context.nowMs(),
  };
  const event = { type: "access.granted" as const, data: ruleData(rule) };
  const audit = auditRecord(context, caller, event, subjectsOf(rule));
  const stored = await refuseTwin(async () => {
    await insertRule(context.database, { ...rule, match: match.value.match }, audit);
  });
  return stored.ok ? ok(rule) : stored;
}

/**
 * Fails as {@link grantAccess} does, or with `resource.not-found`. Its subject stays. Where nothing is
 * to change, nothing is recorded.
 */
export async function changeAccess(
  context: ServiceContext,
  caller: Caller,
  change: {
    readonly id: string;
    readonly match?: MatchInput | undefined;
    readonly level?: AccessLevel | undefined;
  },
): Promise<Result<RuleSummary, FieldFailure>> {
  const before = await findRule(context.database, change.id);
  if (before === null) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  if (change.match === undefined && change.level === undefined) {
    return ok(before);
  }
  const match =
    change.match === undefined
      ? ok({ match: matchOf(before), summary: {} })
      : await resolveMatch(context, caller, change.match);
  if (!match.ok) {
    return match;
  }
  const rule = { ...before, ...match.value.summary, level: change.level ?? before.level };
  const data = { ...ruleData(rule), levelBefore: before.level };
  const event = { type: "access.changed" as const, data };
  const audit = auditRecord(context, caller, event, subjectsOf(rule));
  const { id, level } = rule;
  const stored = await refuseTwin(
    async () => await updateRule(context.database, { id, match: match.value.match, level }, audit),
  );
  if (!stored.ok) {
    return stored;
  }
  return stored.value ? ok(rule) : fail({ code: "resource.not-found", detail: "" });
}

/** Fails with `resource.not-found`. Sessions that live go on. */
export async function revokeAccess(
  context: ServiceContext,
  caller: Caller,
  id: string,
): Promise<Result<null, Failure>> {
  const rule = await findRule(context.database, id);
  if (rule === null) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  const event = { type: "access.revoked" as const, data: ruleData(rule) };
  const audit = auditRecord(context, caller, event, subjectsOf(rule));
  const deleted = await deleteRule(context.database, id, audit);
  return deleted ? ok(null) : fail({ code: "resource.not-found", detail: "" });
}

export async function readRule(
  context: ServiceContext,
  id: string,
): Promise<Result<RuleSummary, Failure>> {
  const rule = await findRule(context.database, id);
  return rule === null ? fail({ code: "resource.not-found", detail: "" }) : ok(rule);
}

export interface PageWish {
  readonly after: RuleCursor | null;
  readonly limit: number;
}

export interface RuleListPage {
  readonly items: RuleSummary[];
  readonly next: RuleCursor | null;
}

/** A page of rules, newest first: all of them, a subject's, or those about a single console. */
export async function pageRules(
  context: ServiceContext,
  page: PageWish & {
    readonly subjectId: string | undefined;
    readonly consoleId: string | undefined;
  },
): Promise<RuleListPage> {
  const rows = await listRules(context.database, withOneMore(page));
  const { items, last } = cutPage(rows, page.limit);
  return { items, next: timeCursor(last) };
}

/** As it is stored. */
function matchOf(rule: RuleSummary): RuleMatch {
  const { console, sourceId, project, tag, name } = rule;
  return console === null
    ? { consoleId: null, sourceId, project, tag, name }
    : { consoleId: console.id };
}

async function refuseTwin<Value>(
  store: () => Promise<Value>,
): Promise<Result<Value, FieldFailure>> {
  try {
    return ok(await store());
  } catch (error) {
    if (isUniqueViolation(error)) {
      const detail = "The subject has a rule about just that: change its level.";
      return fail({ code: "resource.conflict", detail });
    }
    throw error;
  }
}

function ruleData(rule: RuleSummary) {
  const { id: ruleId, subject, level, source, project, tag, name } = rule;
  return {
    ruleId,
    subject: subject.kind,
    ...(subject.kind === "user" && subject.id !== null ? { userId: subject.id } : {}),
    ...(subject.kind === "group" && subject.id !== null ? { groupId: subject.id } : {}),
    level,
    ...(source === null ? {} : { source }),
    ...(project === null ? {} : { project }),
    ...(tag === null ? {} : { tag }),
    ...(name === null ? {} : { name }),
  };
}

function subjectsOf(rule: RuleSummary) {
  return rule.console === null ? {} : { consoleId: rule.console.id };
}
