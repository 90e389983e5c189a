/**
 * Which policies apply when somebody opens a console, and what they come to together: those that are
 * attached to everyone, to the console, its source, the user and the user's groups, the console's
 * own rules, and those of a share link. Tickets and explanations ask here, and nowhere else.
 */
import type { PartialPolicy } from "#shared/policy/policy.ts";
import {
  type MergedPolicy,
  mergePolicies,
  onlyStricter,
  type PolicyLayer,
} from "#shared/policy/strictness.ts";
import type { ConsoleRow } from "../repositories/consoles.ts";
import {
  type ApplyingPolicy,
  type AttachedSubject,
  findApplyingPolicies,
} from "../repositories/policy-attachments.ts";
import { readPolicy } from "./stored-policy.ts";
import type { ServiceContext } from "./context.ts";

/** Where rules come from. */
export type PolicyOrigin =
  | {
      readonly by: "policy";
      readonly policyId: string;
      readonly name: string;
      readonly attachedTo: AttachedSubject & { readonly subjectName: string | null };
    }
  /** The console's own. */
  | { readonly by: "console" }
  | { readonly by: "share" };

export type EffectivePolicy = MergedPolicy<PolicyOrigin>;

/** Who opens what. */
export interface PolicySubject {
  readonly console: Pick<ConsoleRow, "id" | "sourceId" | "policy">;
  /** Null: nobody who is known in person. */
  readonly userId: string | null;
  /** The rules of the share link through which it is opened. */
  readonly share?: PartialPolicy | null;
}

/** The policy of a session that would begin now. */
export async function findEffectivePolicy(
  context: Pick<ServiceContext, "database">,
  { console: row, userId, share }: PolicySubject,
): Promise<EffectivePolicy> {
  const opening = { consoleId: row.id, sourceId: row.sourceId, userId };
  const applying = await findApplyingPolicies(context.database, opening);
  const named = applying
    .sort(byName)
    .map(({ policyId, policyName, rules, ...attachedTo }): PolicyLayer<PolicyOrigin> => ({
      from: { by: "policy", policyId, name: policyName, attachedTo },
      rules: readPolicy(rules) ?? {},
    }));
  const layers = [...named, ...layer({ by: "console" }, readPolicy(row.policy))];
  const merged = mergePolicies(layers);
  if (share === null || share === undefined) {
    return merged;
  }
  // Who issues a link may make its sessions stricter than their own, and in nothing laxer.
  const stricter = onlyStricter(merged.rules, share);
  return mergePolicies([...layers, ...layer({ by: "share" }, stricter)]);
}

/** In one order, whatever the database's. */
function byName(one: ApplyingPolicy, other: ApplyingPolicy): number {
  const [left, right] = [one, other].map(
    ({ policyName, subjectId }) => `${policyName} ${subjectId}`,
  );
  return (left ?? "").localeCompare(right ?? "");
}

function layer(from: PolicyOrigin, rules: PartialPolicy | null): PolicyLayer<PolicyOrigin>[] {
  return rules === null ? [] : [{ from, rules }];
}
