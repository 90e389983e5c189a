/** Builds the audit trail's records, so that each has who, when and through which request. */
import type { AuditEvent, AuditRecord } from "#shared/audit/events.ts";
import { newId } from "#shared/base/ids.ts";
import { NO_PERMISSIONS } from "../identity/permissions.ts";
import type { Caller, ServiceContext } from "./context.ts";

/** What an event is about. */
export interface AuditSubjects {
  readonly consoleId?: string;
  readonly sessionId?: string;
  readonly relayId?: string;
  /** What else: a user, a group, a token, a policy, … */
  readonly subjectId?: string;
}

/** A record of something that the caller did now; it is stored with the change it tells of. */
export function auditRecord(
  context: Pick<ServiceContext, "nowMs" | "randomBytes">,
  caller: Caller,
  event: AuditEvent,
  subjects: AuditSubjects = {},
): AuditRecord {
  return {
    id: newId("audit", context.randomBytes),
    atMs: context.nowMs(),
    actorKind: caller.actorKind,
    actorId: caller.actorId,
    address: caller.address,
    requestId: caller.requestId,
    consoleId: subjects.consoleId ?? null,
    sessionId: subjects.sessionId ?? null,
    relayId: subjects.relayId ?? null,
    subjectId: subjects.subjectId ?? null,
    event: withToken(event, caller),
  };
}

/** The user acted; with which token is part of what happened. */
function withToken(event: AuditEvent, caller: Caller): AuditEvent {
  const { credential } = caller;
  return credential?.kind === "token"
    ? ({ ...event, data: { ...event.data, viaTokenId: credential.id } } as AuditEvent)
    : event;
}

/** The control plane itself, when nobody asked. */
export const SYSTEM_CALLER: Caller = {
  actorKind: "system",
  actorId: null,
  permissions: NO_PERMISSIONS,
  address: null,
  requestId: null,
};

/** A relay that speaks over its link. */
export function relayCaller(relayId: string): Caller {
  return { ...SYSTEM_CALLER, actorKind: "relay", actorId: relayId };
}
