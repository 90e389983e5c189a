/** Who reaches a console, and why somebody may do with it what they may. */
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import type { AccessLevel } from "../identity/access-level.ts";
import { permissionsOf } from "../identity/permissions.ts";
import {
  listRulesBetween,
  listRulesOfConsole,
  type RuleSummary,
} from "../repositories/access-rules.ts";
import { findConsoleSummary } from "../repositories/consoles.ts";
import { findUser } from "../repositories/users.ts";
import { type PageWish, type RuleListPage } from "./access-rules.ts";
import { accessTo } from "./access.ts";
import type { ActingUser, ServiceContext } from "./context.ts";
import { type FieldFailure, invalidField } from "./field-failure.ts";
import { cutPage, timeCursor, withOneMore } from "./page.ts";

/** A page of the rules by which anybody reaches the console. Fails with `resource.not-found`. */
export async function pageRulesOfConsole(
  context: ServiceContext,
  caller: ActingUser,
  page: PageWish & { readonly consoleId: string },
): Promise<Result<RuleListPage, Failure>> {
  const wanted = { id: page.consoleId, userId: caller.actorId };
  if ((await findConsoleSummary(context.database, wanted)) === null) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  const rows = await listRulesOfConsole(context.database, withOneMore(page));
  const { items, last } = cutPage(rows, page.limit);
  return ok({ items, next: timeCursor(last) });
}

/** Why somebody may do with a console what they may. */
export interface Explanation {
  /** Null: the console is not there for them. */
  readonly access: AccessLevel | null;
  /** What of it comes from their role, without any rule. */
  readonly byRole: AccessLevel | null;
  /** Nobody who is disabled can log in. */
  readonly isDisabled: boolean;
  /** Highest level first. */
  readonly rules: readonly RuleSummary[];
}

/** Fails with `request.invalid` when there is no such user or console. */
export async function explainAccess(
  context: ServiceContext,
  question: { readonly userId: string; readonly consoleId: string },
): Promise<Result<Explanation, FieldFailure>> {
  const { userId, consoleId } = question;
  const [user, console, rules] = await Promise.all([
    findUser(context.database, userId),
    findConsoleSummary(context.database, { id: consoleId, userId }),
    listRulesBetween(context.database, question),
  ]);
  if (user === null) {
    return fail(invalidField("userId", "there is no such user"));
  }
  if (console === null) {
    return fail(invalidField("consoleId", "there is no such console"));
  }
  const holder = { permissions: permissionsOf(user.role) };
  return ok({
    access: accessTo(holder, console),
    byRole: accessTo(holder, { granted: null }),
    isDisabled: user.disabledAtMs !== null,
    rules,
  });
}
