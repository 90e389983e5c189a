/**
 * What an event is about besides its console, session and relay: the id that the trail is searched
 * by. It follows from the event's own data, so that no two places that record the same type differ.
 */
import type { AuditEvent } from "./events.ts";

/** An id, or null where the event is about nothing of that kind, or says so itself elsewhere. */
export function subjectOf({ type, data }: AuditEvent): string | null {
  const family = type.slice(0, type.indexOf("."));
  const fields = SUBJECT_FIELDS[type] ?? SUBJECT_FIELDS[family] ?? [];
  const values: Readonly<Record<string, unknown>> = data;
  const value = fields.map((field) => values[field]).find((each) => typeof each === "string");
  return typeof value === "string" && value !== "" ? value : null;
}

/**
 * Fields of the data, by type or else by family; the first that is there. Whoever looks into what
 * was done to a person or a group finds it by them.
 */
const SUBJECT_FIELDS: Readonly<Record<string, readonly string[]>> = {
  "group.member-added": ["userId"],
  "group.member-removed": ["userId"],
  access: ["userId", "groupId", "ruleId"],
  auth: ["userId"],
  denial: ["id"],
  group: ["groupId"],
  "join-token": ["joinTokenId"],
  login: ["userId"],
  policy: ["policyId"],
  share: ["shareId"],
  "signing-key": ["kid"],
  site: ["siteId"],
  token: ["tokenId"],
  user: ["userId"],
};
