/** How the audit trail is asked for, in the query of a request. */
import { z } from "@hono/zod-openapi";
import { EVENT_PATTERN_LIST } from "#shared/audit/event-patterns.ts";
import type { AuditQuery } from "../services/audit-trail.ts";
import { idSchema } from "./route-parts.ts";
import { timeSchema } from "./times.ts";

/** Some dozen types. */
const TYPES_CHARACTERS_MAX = 512;
/** An IPv6 address with a zone is shorter. */
const ADDRESS_CHARACTERS_MAX = 64;

const id = idSchema.optional();

/** The filters, for a route's query. */
export const auditFilterQuery = {
  type: z
    .string()
    .max(TYPES_CHARACTERS_MAX)
    .regex(EVENT_PATTERN_LIST, "must be types such as session.opened,ticket.*")
    .optional()
    .openapi({
      description: "Any of these types, by comma; `session.*` stands for all that begin so.",
      example: "session.*,ticket.refused",
    }),
  actorId: id.openapi({ description: "Who did it: a user, a token or a relay." }),
  about: id.openapi({
    description: "The id of what it is about: a user, a group, a policy, a console, …",
  }),
  consoleId: id,
  sessionId: id,
  relayId: id,
  address: z
    .string()
    .min(1)
    .max(ADDRESS_CHARACTERS_MAX)
    .optional()
    .openapi({ description: "The address of the caller or of the SPICE client, whole." }),
  requestId: id,
  from: timeSchema.optional().openapi({ description: "Not before this time." }),
  to: timeSchema.optional().openapi({ description: "Before this time." }),
};

type FilterQuery = z.infer<z.ZodObject<typeof auditFilterQuery>>;

export function readAuditFilter(query: FilterQuery): AuditQuery {
  const { type, from, to, actorId, about, consoleId, sessionId, relayId, address, requestId } =
    query;
  return {
    types: type?.split(","),
    fromMs: from === undefined ? undefined : Date.parse(from),
    toMs: to === undefined ? undefined : Date.parse(to),
    ...{ actorId, about, consoleId, sessionId, relayId, address, requestId },
  };
}
