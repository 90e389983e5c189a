/** A login that is refused, whatever the way in. */
import type { LoginRefusalReason } from "#shared/audit/events.ts";
import { fail, type Result } from "#shared/base/result.ts";
import type { ErrorCode } from "#shared/errors/catalogue.ts";
import { storeWithAudit } from "../repositories/store-with-audit.ts";
import { auditRecord } from "./audit-record.ts";
import type { Caller, ServiceContext } from "./context.ts";
import type { FieldFailure } from "./field-failure.ts";

/**
 * Records the refusal, and fails with its code.
 * @param refusal its `username` null: a name that nobody has, which may be a password, typed into the
 * wrong field, and is written nowhere
 */
export async function refuseLogin(
  context: ServiceContext,
  caller: Caller,
  refusal: {
    readonly code: ErrorCode;
    readonly username: string | null;
    readonly method: string;
    readonly reason: LoginRefusalReason;
  },
): Promise<Result<never, FieldFailure>> {
  const { code, username, method, reason } = refusal;
  const data = { username: username ?? UNKNOWN_USERNAME, method, reason };
  const event = { type: "user.login-refused", data } as const;
  await storeWithAudit(context.database, [auditRecord(context, caller, event)]);
  return fail({ code, detail: "" });
}

/** No user has it: names hold no brackets. */
const UNKNOWN_USERNAME = "(unknown)";
