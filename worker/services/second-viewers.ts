/**
 * One viewer a console: whether another session keeps a new one away, and the telling of sessions
 * that must give way. The database decides who gives way, in the transaction that shows the other
 * one open; telling the relay may be repeated, because ending a session twice ends it once.
 */
import type { TerminateCause } from "#shared/audit/events.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { may } from "../identity/permissions.ts";
import { type ActiveSession, findActiveSession } from "../repositories/sessions.ts";
import type { Caller, ServiceContext } from "./context.ts";
import { runLater } from "./run-later.ts";
import { recordDenial } from "./ticket-terms.ts";

/** A session that its relay must end, because another one has its console. */
export interface Yielding {
  readonly sessionId: string;
  readonly relayId: string;
  readonly yieldsTo: string;
  /** Which end reason it gets: a session that was there first is taken over. */
  readonly cause: TerminateCause;
}

/** Fails with `console.in-use`, and records that, while somebody has the console open. */
export async function refuseSecondViewer(
  context: ServiceContext,
  caller: Caller,
  consoleId: string,
): Promise<Result<null, Failure>> {
  const active = await findActiveSession(context.database, consoleId);
  if (active === null) {
    return ok(null);
  }
  const code = "console.in-use";
  const failure = { code, detail: "" } as const;
  await recordDenial(context, caller, { consoleId, failure, heldBy: active.id });
  return fail({ code, detail: describeViewer(active, caller) });
}

/** Tells the relays, without waiting for them where the runtime lets work go on. */
export async function endYielding(
  context: ServiceContext,
  yielding: readonly Yielding[],
): Promise<void> {
  await runLater(context, "session.yield", async () => {
    await Promise.all(
      yielding.map(async ({ sessionId, relayId, yieldsTo, cause }) => {
        const reason = `another session has its console: ${yieldsTo}`;
        await context.hubs.push(relayId, { kind: "terminate", sessionId, reason, cause });
      }),
    );
  });
}

/** Who it is, is for admins and for themselves. */
function describeViewer(active: ActiveSession, caller: Caller): string {
  const since = new Date(active.openedAtMs ?? active.createdAtMs).toISOString();
  const isOwn = active.userId === caller.actorId;
  if (!isOwn && !may(caller, "sessions.end-all")) {
    return `Somebody else has it open since ${since}.`;
  }
  return `${nameViewer(active, isOwn)} it open since ${since}. To end that: npx kerbside terminate ${active.id}.`;
}

/** A guest's session is the one of whoever issued the link. */
function nameViewer({ shareId, username }: ActiveSession, isOwn: boolean): string {
  if (shareId !== null) {
    return `A guest of ${isOwn ? "yours" : username} has`;
  }
  return isOwn ? "You have" : `${username} has`;
}
