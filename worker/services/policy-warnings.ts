/** What of a policy no relay can keep: it may be stored, and who stores it is warned. */
import { type Enforcement, lackingOf, needsOf } from "#shared/policy/enforcement.ts";
import { type PartialPolicy, type Rules, sessionPolicy } from "#shared/policy/policy.ts";
import { readRules, withDefaults } from "#shared/policy/strictness.ts";
import { listOnlineEnforcements } from "../repositories/relays.ts";
import type { ServiceContext } from "./context.ts";

export interface PolicyWarning {
  readonly rule: Enforcement;
  readonly message: string;
}

/** Of the rules of one policy, whatever other policies say; null: there is none. */
export async function findPolicyWarnings(
  context: Pick<ServiceContext, "database">,
  policy: PartialPolicy | null,
): Promise<PolicyWarning[]> {
  return await findWarnings(context, withDefaults(readRules(policy ?? {})));
}

/** What of the rules no relay that is online can keep: a session that needs it gets no ticket. */
export async function findWarnings(
  context: Pick<ServiceContext, "database">,
  rules: Rules,
): Promise<PolicyWarning[]> {
  const needs = needsOf(sessionPolicy(rules));
  const enforced = needs.length === 0 ? [] : await listOnlineEnforcements(context.database);
  return lackingOf(needs, enforced.flat()).map((rule) => ({
    rule,
    message: `No relay that is online can enforce ${rule}: sessions under this rule are refused.`,
  }));
}
