/** Denials of any subject without a change that they follow from. */
import { storeDenial } from "../../worker/repositories/denials.ts";
import { insertAuditRecords } from "../../worker/repositories/store-with-audit.ts";
import type { Caller, ServiceContext } from "../../worker/services/context.ts";
import {
  announceDenial,
  type DenialRequest,
  prepareDenial,
} from "../../worker/services/denials.ts";

export async function denySubject(
  context: ServiceContext,
  caller: Caller,
  request: DenialRequest,
): Promise<void> {
  const denial = prepareDenial(context, caller, request);
  await context.database.transaction(async (transaction) => {
    await storeDenial(transaction, denial);
    await insertAuditRecords(transaction, [denial.audit]);
  });
  await announceDenial(context, request);
}
