/**
 * Named policies: making, changing and deleting them. Sessions that live keep the policy that they
 * began with. A policy that no relay can keep may be stored; who stores it is warned.
 */
import { newId } from "#shared/base/ids.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import type { PartialPolicy } from "#shared/policy/policy.ts";
import { isUniqueViolation } from "../repositories/database-errors.ts";
import {
  deletePolicy as deletePolicyRow,
  findPolicy,
  insertPolicy,
  listPolicies,
  type PolicyRow,
  updatePolicy,
} from "../repositories/policies.ts";
import { auditRecord } from "./audit-record.ts";
import { readPolicy } from "./stored-policy.ts";
import type { Caller, ServiceContext } from "./context.ts";
import { cutPage, withOneMore } from "./page.ts";
import { findPolicyWarnings, type PolicyWarning } from "./policy-warnings.ts";

export interface PolicyView {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly rules: PartialPolicy;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
}

/** A policy that was stored, and what of it no relay that is online can keep. */
export interface StoredPolicy extends PolicyView {
  readonly warnings: readonly PolicyWarning[];
}

export interface PolicyFields {
  readonly name: string;
  readonly description: string;
  readonly rules: PartialPolicy;
}

/** A page of the policies, by name. */
export async function pagePolicies(
  context: ServiceContext,
  page: { readonly afterName: string | null; readonly limit: number },
): Promise<{ readonly items: PolicyView[]; readonly nextName: string | null }> {
  const rows = await listPolicies(context.database, withOneMore(page));
  const { items, last } = cutPage(rows, page.limit);
  return { items: items.map(viewPolicy), nextName: last?.name ?? null };
}

/** Fails with `resource.not-found`. */
export async function readNamedPolicy(
  context: ServiceContext,
  id: string,
): Promise<Result<PolicyView, Failure>> {
  const row = await findPolicy(context.database, id);
  return row === null ? fail({ code: "resource.not-found", detail: "" }) : ok(viewPolicy(row));
}

/** Fails with `resource.conflict` when the name is taken. */
export async function createPolicy(
  context: ServiceContext,
  caller: Caller,
  { name, description, rules }: PolicyFields,
): Promise<Result<StoredPolicy, Failure>> {
  const nowMs = context.nowMs();
  const row: PolicyRow = {
    id: newId("policy", context.randomBytes),
    name,
    description,
    rules: JSON.stringify(rules),
    createdAtMs: nowMs,
    changedAtMs: nowMs,
  };
  const data = { policyId: row.id, name, rules: row.rules };
  const audit = auditRecord(context, caller, { type: "policy.created", data });
  return await storeNamed(context, async () => {
    await insertPolicy(context.database, row, audit);
    return row;
  });
}

/** Fails with `resource.not-found`, or `resource.conflict` when the name is taken. */
export async function changePolicy(
  context: ServiceContext,
  caller: Caller,
  change: {
    readonly id: string;
    readonly changes: { readonly [Field in keyof PolicyFields]?: PolicyFields[Field] | undefined };
  },
): Promise<Result<StoredPolicy, Failure>> {
  const { id, changes } = change;
  return await storeNamed(context, () =>
    updatePolicy(context.database, id, (before) => {
      const row = {
        ...before,
        name: changes.name ?? before.name,
        description: changes.description ?? before.description,
        rules: changes.rules === undefined ? before.rules : JSON.stringify(changes.rules),
        changedAtMs: context.nowMs(),
      };
      const told = { policyId: id, name: row.name, before: tell(before), after: tell(row) };
      return told.before === told.after
        ? null
        : { row, audit: auditRecord(context, caller, { type: "policy.changed", data: told }) };
    }),
  );
}

/** Fails with `resource.not-found`, or `policy.attached` and some of what it is attached to. */
export async function deletePolicy(
  context: ServiceContext,
  caller: Caller,
  id: string,
): Promise<Result<null, Failure>> {
  const asked = { id, namedMax: NAMED_MAX + 1 };
  const deletion = await deletePolicyRow(context.database, asked, ({ name, rules }) =>
    auditRecord(context, caller, { type: "policy.deleted", data: { policyId: id, name, rules } }),
  );
  if (deletion.outcome !== "attached") {
    return deletion.outcome === "deleted"
      ? ok(null)
      : fail({ code: "resource.not-found", detail: "" });
  }
  const names = deletion.to
    .slice(0, NAMED_MAX)
    .map(({ kind, subjectId, subjectName }) =>
      kind === "everyone" ? kind : `${kind} ${subjectName} (${subjectId})`,
    );
  const more = deletion.to.length > NAMED_MAX ? ", and more" : "";
  return fail({
    code: "policy.attached",
    detail: `It is attached to ${names.join(", ")}${more}.`,
  });
}

async function storeNamed(
  context: ServiceContext,
  store: () => Promise<PolicyRow | null>,
): Promise<Result<StoredPolicy, Failure>> {
  let row: PolicyRow | null;
  try {
    row = await store();
  } catch (error) {
    if (isUniqueViolation(error)) {
      return fail({ code: "resource.conflict", detail: "A policy of that name exists." });
    }
    throw error;
  }
  if (row === null) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  const view = viewPolicy(row);
  return ok({ ...view, warnings: await findPolicyWarnings(context, view.rules) });
}

function viewPolicy(row: PolicyRow): PolicyView {
  return { ...row, rules: readPolicy(row.rules) ?? {} };
}

/** For the audit trail. */
function tell({ name, description, rules }: PolicyRow): string {
  return JSON.stringify({ name, description, rules: JSON.parse(rules) as unknown });
}

/** A sentence names no more. */
const NAMED_MAX = 5;
