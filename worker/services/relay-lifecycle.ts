/**
 * What an administrator does with a relay: another name or site, draining it from here, disabling
 * and deleting it. The database is changed first and the relay told afterwards: one that is away is
 * told by its next welcome, or refused.
 */
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { DrainOrder } from "#shared/control/drain-order.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { isUniqueViolation } from "../repositories/database-errors.ts";
import {
  changeRelay,
  findSitedRelay,
  type RelayChange,
  type RelayRow,
  type SitedRelay,
} from "../repositories/relays.ts";
import { listLivingAtRelay } from "../repositories/session-lifecycle.ts";
import { findSite } from "../repositories/sites.ts";
import { auditRecord } from "./audit-record.ts";
import type { Caller, ServiceContext } from "./context.ts";
import { type FieldFailure, invalidField } from "./field-failure.ts";
import { inChunks } from "./in-chunks.ts";

export interface RelayPatch {
  readonly name?: string | undefined;
  readonly siteId?: string | undefined;
}

/**
 * Gives the relay another name or site. Its certificate keeps the name that it was enrolled with.
 * Fails with `resource.not-found`, `resource.conflict` (the name is taken) or `request.invalid`.
 */
export async function patchRelay(
  context: ServiceContext,
  caller: Caller,
  change: { readonly id: string; readonly patch: RelayPatch },
): Promise<Result<SitedRelay, FieldFailure>> {
  const { id, patch } = change;
  const { siteId } = patch;
  if (siteId !== undefined && (await findSite(context.database, siteId)) === null) {
    return fail(invalidField("siteId", "there is no such site"));
  }
  try {
    return await decide(context, id, (relay) => {
      const before = { name: relay.name, siteId: relay.siteId };
      const after = { name: patch.name ?? relay.name, siteId: siteId ?? relay.siteId };
      if (before.name === after.name && before.siteId === after.siteId) {
        return ok(NO_CHANGE);
      }
      const event = { type: "relay.changed", data: { before, after } } as const;
      const audits = [auditRecord(context, caller, event, { relayId: id })];
      return ok({ changes: after, audits });
    });
  } catch (error) {
    if (isUniqueViolation(error)) {
      return fail({ code: "resource.conflict", detail: `A relay named ${patch.name} exists.` });
    }
    throw error;
  }
}

/**
 * Drains the relay until it is resumed from here, through restarts of either side; what its own
 * operator does is another drain. Living sessions go on for `deadlineS` seconds, null: as long as
 * they like. Called again it sets another deadline. Fails with `resource.not-found`.
 */
export async function drainRelay(
  context: ServiceContext,
  caller: Caller,
  drain: { readonly id: string; readonly deadlineS: number | null },
): Promise<Result<SitedRelay, Failure>> {
  const { id, deadlineS } = drain;
  const endsAtMs = deadlineS === null ? null : context.nowMs() + deadlineS * 1000;
  const drained = await decide(context, id, () => {
    const endsAt = endsAtMs === null ? null : new Date(endsAtMs).toISOString();
    const event = { type: "relay.drain-ordered", data: { endsAt } } as const;
    const audits = [auditRecord(context, caller, event, { relayId: id })];
    return ok({ changes: { drainOrdered: true, drainEndsAtMs: endsAtMs }, audits });
  });
  if (drained.ok) {
    await tellDrain(context, id, { endsAtMs });
  }
  return drained;
}

/** Ends the drain that was ordered from here, if there is one. Fails with `resource.not-found`. */
export async function resumeRelay(
  context: ServiceContext,
  caller: Caller,
  id: string,
): Promise<Result<SitedRelay, Failure>> {
  const resumed = await decide(context, id, (relay) => {
    if (!relay.drainOrdered) {
      return ok(NO_CHANGE);
    }
    const event = { type: "relay.drain-lifted", data: {} } as const;
    const audits = [auditRecord(context, caller, event, { relayId: id })];
    return ok({ changes: { drainOrdered: false, drainEndsAtMs: null }, audits });
  });
  if (resumed.ok) {
    await tellDrain(context, id, null);
  }
  return resumed;
}

/**
 * Refuses the relay's link from now on, so that it gets no session. Those that live there go on
 * unseen, unless they are to end: then it is told to end them before its link goes.
 * Fails with `resource.not-found`.
 */
export async function disableRelay(
  context: ServiceContext,
  caller: Caller,
  disabling: { readonly id: string; readonly endsSessions: boolean },
): Promise<Result<SitedRelay, Failure>> {
  const { id, endsSessions } = disabling;
  const disabled = await decide(context, id, (relay) => {
    if (relay.disabledAtMs !== null && !endsSessions) {
      return ok(NO_CHANGE);
    }
    const event = { type: "relay.disabled", data: { endsSessions } } as const;
    const audits = [auditRecord(context, caller, event, { relayId: id })];
    return ok({ changes: { disabledAtMs: relay.disabledAtMs ?? context.nowMs() }, audits });
  });
  if (disabled.ok) {
    if (endsSessions) {
      await endAllSessions(context, id);
    }
    await context.hubs.expel(id, "relay.disabled");
  }
  return disabled;
}

/** Lets the relay link again; it tries by itself. Fails with `resource.not-found`. */
export async function enableRelay(
  context: ServiceContext,
  caller: Caller,
  id: string,
): Promise<Result<SitedRelay, Failure>> {
  return await decide(context, id, (relay) => {
    if (relay.disabledAtMs === null) {
      return ok(NO_CHANGE);
    }
    const event = { type: "relay.enabled", data: {} } as const;
    const audits = [auditRecord(context, caller, event, { relayId: id })];
    return ok({ changes: { disabledAtMs: null }, audits });
  });
}

/**
 * Voids the relay's identity for ever and gives its name free; its row stays for the sessions and
 * records that point to it. Fails with `resource.not-found`, or with `relay.in-service` while it is
 * online and not disabled.
 */
export async function deleteRelay(
  context: ServiceContext,
  caller: Caller,
  id: string,
): Promise<Result<null, Failure>> {
  const deleted = await changeRelay<Failure>(context.database, id, (relay) => {
    if (relay.state === "online" && relay.disabledAtMs === null) {
      return fail({ code: "relay.in-service", detail: "" });
    }
    const event = { type: "relay.deleted", data: { name: relay.name } } as const;
    const audits = [auditRecord(context, caller, event, { relayId: id })];
    const changes = { deletedAtMs: context.nowMs(), name: nameOfDeleted(relay) };
    return ok({ changes, audits });
  });
  if (!deleted.ok) {
    return deleted;
  }
  if (deleted.value === null) {
    return NOT_FOUND;
  }
  await context.hubs.expel(id, "relay.deleted");
  return ok(null);
}

/** Carries a decision out and reads what became of the relay. */
async function decide(
  context: ServiceContext,
  id: string,
  decision: (relay: RelayRow) => Result<RelayChange, never>,
): Promise<Result<SitedRelay, Failure>> {
  await changeRelay(context.database, id, decision);
  const row = await findSitedRelay(context.database, id);
  return row === null ? NOT_FOUND : ok(row);
}

/** Has the relay end what lives there: by one order, or one by one where it does not know that. */
async function endAllSessions(context: ServiceContext, relayId: string): Promise<void> {
  const order = { endsAtMs: context.nowMs() };
  const drained = await context.hubs.push(relayId, { kind: "drain", order });
  if (drained.ok || drained.error.code !== "relay.version-unsupported") {
    return;
  }
  const sessionIds = await listLivingAtRelay(context.database, { relayId, limit: SESSIONS_MAX });
  await inChunks(sessionIds, TOLD_AT_ONCE_MAX, async (sessionId) => {
    const reason = "its relay was disabled";
    const command = { kind: "terminate", sessionId, reason, cause: "terminated" } as const;
    await context.hubs.push(relayId, command);
  });
}

/** The relay's welcome tells it the same: whether this arrives is no matter. */
async function tellDrain(
  context: ServiceContext,
  relayId: string,
  order: DrainOrder | null,
): Promise<void> {
  await context.hubs.push(relayId, { kind: "drain", order });
}

/** No relay that lives can have it: names hold no blank. */
function nameOfDeleted({ name, id }: RelayRow): string {
  return `${name} (deleted ${id})`;
}

/** Below OUTBOX_ROWS_MAX of the hub; a relay of that version with more is stopped by its operator. */
const SESSIONS_MAX = 500;
const TOLD_AT_ONCE_MAX = 32;
const NO_CHANGE: RelayChange = { changes: {}, audits: [] };
const NOT_FOUND: Result<never, Failure> = fail({ code: "resource.not-found", detail: "" });
