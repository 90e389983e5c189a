/** What callers say a rule is for and about, looked up: what there is not is refused by its field. */
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { AccessLevel, SubjectKind } from "../identity/access-level.ts";
import type { RuleMatch, RuleSummary } from "../repositories/access-rules.ts";
import { findConsoleSummary } from "../repositories/consoles.ts";
import { findGroup } from "../repositories/groups.ts";
import { findSourceId } from "../repositories/sources.ts";
import { findUser } from "../repositories/users.ts";
import type { Caller, ServiceContext } from "./context.ts";
import { type FieldFailure, invalidField } from "./field-failure.ts";

/** What a rule is about, as callers say it: one console, or all of which every given part is so. */
export interface MatchInput {
  readonly consoleId?: string | undefined;
  /** The source's name. */
  readonly source?: string | undefined;
  readonly project?: string | undefined;
  readonly tag?: string | undefined;
  /** A pattern: `*` is any text, `?` any one character. */
  readonly name?: string | undefined;
}

export interface NewRuleInput {
  readonly subject: { readonly kind: SubjectKind; readonly id?: string | undefined };
  readonly match: MatchInput;
  readonly level: AccessLevel;
}

/** Fails with `request.invalid` and the field. */
export async function resolveSubject(
  context: ServiceContext,
  input: NewRuleInput["subject"],
): Promise<Result<RuleSummary["subject"], FieldFailure>> {
  const { kind, id } = input;
  if (kind === "everyone") {
    return id === undefined
      ? ok({ kind, id: null, name: null })
      : fail(invalidField("subject.id", "everyone has no id"));
  }
  const name =
    id === undefined
      ? null
      : kind === "user"
        ? ((await findUser(context.database, id))?.username ?? null)
        : ((await findGroup(context.database, id))?.name ?? null);
  return id === undefined || name === null
    ? fail(invalidField("subject.id", kind === "user" ? NO_USER : NO_GROUP))
    : ok({ kind, id, name });
}

export interface ResolvedMatch {
  readonly match: RuleMatch;
  readonly summary: Omit<RuleSummary, "id" | "subject" | "level" | "createdAtMs">;
}

/** Fails with `request.invalid` and the field. */
export async function resolveMatch(
  context: ServiceContext,
  caller: Caller,
  input: MatchInput,
): Promise<Result<ResolvedMatch, FieldFailure>> {
  const { consoleId, source, project = null, tag = null, name = null } = input;
  const nothing = { sourceId: null, source: null, project: null, tag: null, name: null };
  if (consoleId !== undefined) {
    const isAlone = Object.values({ ...input, consoleId: undefined }).every(
      (part) => part === undefined,
    );
    if (!isAlone) {
      return fail(invalidField("match", "consoleId stands alone"));
    }
    const wanted = { id: consoleId, userId: caller.actorId ?? "" };
    const console = await findConsoleSummary(context.database, wanted);
    return console === null
      ? fail(invalidField("match.consoleId", NO_CONSOLE))
      : ok({
          match: { consoleId },
          summary: { ...nothing, console: { id: consoleId, name: console.name } },
        });
  }
  const sourceId = source === undefined ? null : await findSourceId(context.database, source);
  if (source !== undefined && sourceId === null) {
    return fail(invalidField("match.source", "there is no source with that name"));
  }
  return ok({
    match: { consoleId: null, sourceId, project, tag, name },
    summary: { console: null, sourceId, source: source ?? null, project, tag, name },
  });
}

const NO_USER = "there is no such user";
const NO_GROUP = "there is no such group";
const NO_CONSOLE = "there is no such console";
