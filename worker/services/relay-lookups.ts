/** Answers a relay that saw a ticket before its grant. Asking changes nothing. */
import type { TicketRefusalReason } from "#shared/audit/events.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { findGrant, type GrantFacts } from "../repositories/grants.ts";
import type { ServiceContext } from "./context.ts";
import { isDenied } from "./denials.ts";

/** The grant's JWS, or why that relay may not admit the ticket. */
export async function lookUpGrant(
  context: ServiceContext,
  relayId: string,
  ticketHash: string,
): Promise<Result<string, TicketRefusalReason>> {
  const grant = await findGrant(context.database, { relayId, ticketHash });
  const refusal = grant === null ? "unknown" : judgeGrant(grant, context.nowMs());
  if (grant === null || refusal !== null) {
    return fail(refusal ?? "unknown");
  }
  return (await isDenied(context, grant)) ? fail("unknown") : ok(grant.grantJws);
}

/** Why the grant is of no use any more, or null when it is. */
export function judgeGrant(grant: GrantFacts, nowMs: number): TicketRefusalReason | null {
  if (grant.consumedAtMs !== null || grant.openedAtMs !== null || grant.state === "active") {
    return "used";
  }
  if (grant.withdrawnAtMs !== null) {
    return "unknown";
  }
  if (nowMs >= grant.expiresAtMs) {
    return "expired";
  }
  return grant.state === "pending" ? null : "unknown";
}
