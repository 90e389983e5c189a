/** Explains a session's policy before there is one: the very rules that a ticket would be given by. */
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { type Openness, opennessAt } from "#shared/policy/hours.ts";
import { may } from "../identity/permissions.ts";
import { findConsole } from "../repositories/consoles.ts";
import { findUser } from "../repositories/users.ts";
import { judgeConsole } from "./access.ts";
import type { ActingUser, ServiceContext } from "./context.ts";
import { type EffectivePolicy, findEffectivePolicy } from "./effective-policy.ts";
import { findWarnings, type PolicyWarning } from "./policy-warnings.ts";

export interface PolicyExplanation extends EffectivePolicy {
  readonly console: { readonly id: string; readonly name: string };
  readonly user: { readonly id: string; readonly username: string };
  /** Whether the hours allow a session now. */
  readonly openness: Openness;
  readonly warnings: readonly PolicyWarning[];
}

/**
 * The policy of that user's session of that console. Fails with `resource.not-found`, or with
 * `auth.forbidden` for another user unless the caller may read policies and people.
 */
export async function explainPolicy(
  context: ServiceContext,
  caller: ActingUser,
  asked: { readonly consoleId: string; readonly userId: string },
): Promise<Result<PolicyExplanation, Failure>> {
  const { consoleId, userId } = asked;
  const isOwn = userId === caller.actorId;
  if (!isOwn && !(may(caller, "policies.read") && may(caller, "people.read"))) {
    return fail({ code: "auth.forbidden", detail: "" });
  }
  const [row, user] = await Promise.all([
    findConsole(context.database, { id: consoleId, userId: caller.actorId }),
    findUser(context.database, userId),
  ]);
  const visible = judgeConsole(caller, row, "view");
  if (!visible.ok) {
    return visible;
  }
  if (user === null) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  const { id, name } = visible.value;
  const policy = await findEffectivePolicy(context, { console: visible.value, userId });
  return ok({
    ...policy,
    console: { id, name },
    user: { id: userId, username: user.username },
    openness: opennessAt(policy.rules.allowedHours ?? [], context.nowMs()),
    warnings: await findWarnings(context, policy.rules),
  });
}
