/** A user's logins: which there are, and ending them. An ended login is worth nothing at once. */
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import {
  deleteLogin,
  deleteLogins,
  listLogins,
  type LoginCursor,
  type LoginSummary,
} from "../repositories/logins.ts";
import { auditRecord } from "./audit-record.ts";
import type { Caller, ServiceContext } from "./context.ts";
import { cutPage, timeCursor, withOneMore } from "./page.ts";

/** A page of a user's living logins, newest first. */
export async function pageLogins(
  context: ServiceContext,
  page: {
    readonly userId: string;
    readonly after: LoginCursor | null;
    readonly limit: number;
  },
): Promise<{ readonly items: LoginSummary[]; readonly next: LoginCursor | null }> {
  const { nowMs, database } = context;
  const rows = await listLogins(database, { ...withOneMore(page), nowMs: nowMs() });
  const { items, last } = cutPage(rows, page.limit);
  return { items, next: timeCursor(last) };
}

/** Fails with `resource.not-found`, also when it is somebody else's. */
export async function endLogin(
  context: ServiceContext,
  caller: Caller,
  login: { readonly id: string; readonly userId: string },
): Promise<Result<null, Failure>> {
  const data = { userId: login.userId, count: 1, loginId: login.id };
  const audit = auditRecord(context, caller, { type: "login.ended", data });
  return (await deleteLogin(context.database, login, audit))
    ? ok(null)
    : fail({ code: "resource.not-found", detail: "" });
}

/** Ends a user's logins, except one. Gives how many there were. */
export async function endLogins(
  context: ServiceContext,
  caller: Caller,
  ending: { readonly userId: string; readonly exceptLoginId: string | null },
): Promise<number> {
  return await deleteLogins(context.database, ending, (count) =>
    auditRecord(context, caller, { type: "login.ended", data: { userId: ending.userId, count } }),
  );
}
