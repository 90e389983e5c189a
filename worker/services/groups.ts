/** Groups of users, as admins manage them. What a group gives its members is decided elsewhere. */
import { describeChanges } from "#shared/audit/describe-changes.ts";
import { newId } from "#shared/base/ids.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { LOCAL_ORIGIN } from "../identity/local-login.ts";
import { isUniqueViolation } from "../repositories/database-errors.ts";
import {
  addLocalMember,
  changeGroup as changeStoredGroup,
  deleteGroup as deleteStoredGroup,
  findGroup,
  type GroupMember,
  type GroupOfUser,
  type GroupSummary,
  insertGroup,
  listGroupMembers,
  listGroups,
  listGroupsOfUser,
  removeLocalMember,
} from "../repositories/groups.ts";
import { auditRecord } from "./audit-record.ts";
import type { Caller, ServiceContext } from "./context.ts";
import { cutPage, withOneMore } from "./page.ts";

export interface GroupChanges {
  readonly name?: string | undefined;
  readonly description?: string | null | undefined;
}

export interface Membership {
  readonly groupId: string;
  readonly userId: string;
}

/** Fails with `resource.conflict` when the name is taken in any case. */
export async function createGroup(
  context: ServiceContext,
  caller: Caller,
  group: { readonly name: string; readonly description: string | null },
): Promise<Result<GroupSummary, Failure>> {
  const id = newId("group", context.randomBytes);
  const row = { id, ...group, createdAtMs: context.nowMs() };
  const event = { type: "group.created", data: { groupId: id, name: group.name } } as const;
  return await refuseTakenName(async () => {
    await insertGroup(context.database, row, auditRecord(context, caller, event));
    return row;
  });
}

/** A page of groups by name. */
export async function pageGroups(
  context: ServiceContext,
  page: { readonly prefix: string | null; readonly after: string | null; readonly limit: number },
): Promise<{ readonly items: GroupSummary[]; readonly nextName: string | null }> {
  const rows = await listGroups(context.database, withOneMore(page));
  const { items, last } = cutPage(rows, page.limit);
  return { items, nextName: last?.name ?? null };
}

/** Fails with `resource.not-found`. */
export async function readGroup(
  context: ServiceContext,
  id: string,
): Promise<Result<GroupSummary, Failure>> {
  const group = await findGroup(context.database, id);
  return group === null ? fail(NOT_FOUND) : ok(group);
}

/** Fails with `resource.not-found`, or `resource.conflict` when the name is taken. */
export async function changeGroup(
  context: ServiceContext,
  caller: Caller,
  change: { readonly id: string; readonly changes: GroupChanges },
): Promise<Result<GroupSummary, Failure>> {
  const { id, changes } = change;
  const { name, description } = changes;
  const patch = {
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
  };
  if (Object.keys(patch).length === 0) {
    return await readGroup(context, id);
  }
  const fields = Object.keys(patch).sort().join(",");
  const changed = await refuseTakenName(
    async () =>
      await changeStoredGroup(context.database, id, patch, (before, after) =>
        auditRecord(context, caller, {
          type: "group.changed",
          data: {
            groupId: id,
            name: after.name,
            fields,
            changes: describeChanges({ ...before }, { ...after }),
          },
        }),
      ),
  );
  if (!changed.ok) {
    return changed;
  }
  return changed.value === null ? fail(NOT_FOUND) : ok(changed.value);
}

/** Deletes the group; its members stay users. Fails with `resource.not-found`. */
export async function deleteGroup(
  context: ServiceContext,
  caller: Caller,
  id: string,
): Promise<Result<null, Failure>> {
  const deleted = await deleteStoredGroup(context.database, id, (group) =>
    auditRecord(context, caller, { type: "group.deleted", data: { groupId: id, ...group } }),
  );
  return deleted ? ok(null) : fail(NOT_FOUND);
}

/** A page of a group's members. Fails with `resource.not-found`. */
export async function pageMembers(
  context: ServiceContext,
  page: { readonly groupId: string; readonly after: string | null; readonly limit: number },
): Promise<Result<{ readonly items: GroupMember[]; readonly nextId: string | null }, Failure>> {
  if ((await findGroup(context.database, page.groupId)) === null) {
    return fail(NOT_FOUND);
  }
  const rows = await listGroupMembers(context.database, withOneMore(page));
  const { items, last } = cutPage(rows, page.limit);
  return ok({ items, nextId: last?.userId ?? null });
}

/** A page of the groups that a user is in. */
export async function pageGroupsOfUser(
  context: ServiceContext,
  page: { readonly userId: string; readonly after: string | null; readonly limit: number },
): Promise<{ readonly items: GroupOfUser[]; readonly nextId: string | null }> {
  const rows = await listGroupsOfUser(context.database, withOneMore(page));
  const { items, last } = cutPage(rows, page.limit);
  return { items, nextId: last?.id ?? null };
}

/** Puts a user into a group; who is in it already stays. Fails with `resource.not-found`. */
export async function addMember(
  context: ServiceContext,
  caller: Caller,
  membership: Membership,
): Promise<Result<null, Failure>> {
  const data = { ...membership, origin: LOCAL_ORIGIN };
  const audit = auditRecord(context, caller, { type: "group.member-added", data });
  const added = await addLocalMember(context.database, membership, audit);
  return added === "added"
    ? ok(null)
    : fail({
        code: "resource.not-found",
        detail: added === "no-user" ? "There is no such user." : "There is no such group.",
      });
}

/**
 * Takes a user out of a group. Fails with `resource.not-found`, or `resource.managed-elsewhere` for
 * a membership that only a login provider tells of.
 */
export async function removeMember(
  context: ServiceContext,
  caller: Caller,
  membership: Membership,
): Promise<Result<null, Failure>> {
  const data = { ...membership, origin: LOCAL_ORIGIN };
  const audit = auditRecord(context, caller, { type: "group.member-removed", data });
  const removed = await removeLocalMember(context.database, membership, audit);
  if (removed === "removed") {
    return ok(null);
  }
  return fail(
    removed === "by-provider" ? { code: "resource.managed-elsewhere", detail: "" } : NOT_FOUND,
  );
}

async function refuseTakenName<Value>(
  store: () => Promise<Value>,
): Promise<Result<Value, Failure>> {
  try {
    return ok(await store());
  } catch (error) {
    if (isUniqueViolation(error)) {
      return fail({ code: "resource.conflict", detail: "The group's name is taken." });
    }
    throw error;
  }
}

const NOT_FOUND: Failure = { code: "resource.not-found", detail: "" };
