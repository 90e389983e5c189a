/**
 * Denials: making void what was granted to a user, for a console, for a session or by a share, on
 * every relay that may hold it. Stored first: who is told nothing now is told by his next welcome,
 * and a ticket that is being made at this moment is found out (isDenied), because either side stores
 * before it looks for the other.
 */
import { unreachable } from "#shared/base/assert.ts";
import { isKnownCommand } from "#shared/control/contract.ts";
import {
  type Denial,
  type DenialList,
  DENIALS_PER_MESSAGE_MAX,
  type DenialSubject,
  type GrantSubjects,
  isVoidedBy,
} from "#shared/control/denials.ts";
import {
  type ConcernedRelay,
  deletePastDenials,
  type DenialRow,
  type DenialScope,
  findDenial,
  findDenials,
  listConcernedRelays,
  listDenials,
  listSessionsAtRelay,
  listUnannounced,
  markAnnounced,
  type NewDenial,
} from "../repositories/denials.ts";
import { auditRecord, type AuditSubjects } from "./audit-record.ts";
import type { Caller, PushFailure, ServiceContext } from "./context.ts";
import { inChunks } from "./in-chunks.ts";

/** Whose grants are void from now on, and why, for the audit trail and the session's account. */
export interface DenialRequest {
  readonly subject: DenialSubject;
  readonly id: string;
  readonly reason: string;
}

/**
 * Makes void what was granted to the subject until now: unused tickets go, living sessions end.
 * What is granted afterwards is good, so whoever must get nothing any more has to be refused where
 * tickets are made as well. It is stored in the transaction of the change that it follows from
 * (storeDenial in repositories/denials.ts). `announceDenial` comes after that; when it does not,
 * because the process ended in between, a job makes up for it.
 */
export function prepareDenial(
  context: ServiceContext,
  caller: Caller,
  request: DenialRequest,
): NewDenial {
  const { subject, id, reason } = request;
  const nowMs = context.nowMs();
  const denial: Denial = {
    subject,
    id,
    atMs: nowMs + CLOCKS_APART_MS,
    untilMs: nowMs + SESSION_LIFE_MS,
  };
  const event = { type: "denial.added", data: { subject, id, reason } } as const;
  const audit = auditRecord(context, caller, event, subjectsOf(request));
  return { denial, by: caller.actorKind === "user" ? caller.actorId : null, nowMs, audit };
}

/**
 * Tells the relays of a denial that is stored. Resolves when those that hold something have been
 * told, or could not be told in time; they are told later.
 */
export async function announceDenial(
  context: ServiceContext,
  about: Pick<DenialRequest, "subject" | "id">,
): Promise<void> {
  const row = await findDenial(context.database, about);
  if (row !== null) {
    await announce(context, row);
  }
}

/** Whether what was granted has been denied since. */
export async function isDenied(context: ServiceContext, grant: GrantSubjects): Promise<boolean> {
  const { userId, consoleId, sessionId, shareId } = grant;
  const denials = await findDenials(context.database, [
    { subject: "user", id: userId },
    { subject: "console", id: consoleId },
    { subject: "session", id: sessionId },
    ...(shareId === null ? [] : [{ subject: "share" as const, id: shareId }]),
  ]);
  return denials.some((denial) => isVoidedBy(grant, denial));
}

/** What a relay must know before it gets any grant. */
export async function currentDenials(context: ServiceContext): Promise<DenialList> {
  const rows = await listDenials(context.database, {
    nowMs: context.nowMs(),
    limit: DENIALS_PER_MESSAGE_MAX,
  });
  return { revision: rows[0]?.revision ?? 0, denials: rows.map(withoutRevision) };
}

/** Tells what was not told yet, and forgets what cannot matter any more. A job. */
export async function tendDenials(context: ServiceContext): Promise<void> {
  for (const row of await listUnannounced(context.database, TENDED_AT_ONCE_MAX)) {
    await announce(context, row);
  }
  await deletePastDenials(context.database, {
    nowMs: context.nowMs(),
    limit: TENDED_AT_ONCE_MAX,
  });
}

async function announce(context: ServiceContext, row: DenialRow): Promise<void> {
  const nowMs = context.nowMs();
  const scope = { subject: row.subject, id: row.id, lostAfterMs: nowMs - SESSION_LIFE_MS };
  const relays = await listConcernedRelays(context.database, scope);
  const told = await inChunks(relays, TOLD_AT_ONCE_MAX, async (relay) =>
    tellRelay(context, relay, { row, scope }),
  );
  if (told.every(Boolean)) {
    // Nothing lives that was granted before: only a ticket that is on its way can matter.
    const untilMs = relays.length === 0 ? nowMs + TICKET_LIFE_MS : row.untilMs;
    await markAnnounced(context.database, { revision: row.revision, atMs: nowMs, untilMs });
  }
}

/** Whether the relay knows, or will before it does anything else. */
async function tellRelay(
  context: ServiceContext,
  relay: ConcernedRelay,
  about: { readonly row: DenialRow; readonly scope: DenialScope },
): Promise<boolean> {
  const { row, scope } = about;
  if (isKnownCommand("deny", relay.controlVersion ?? FIRST_VERSION)) {
    const denials = [withoutRevision(row)];
    const pushed = await context.hubs.push(relay.id, {
      kind: "deny",
      revision: row.revision,
      denials,
    });
    return pushed.ok || willBeTold(pushed.error);
  }
  // A relay of the first version of the contract is told to end each session by itself.
  const sessionIds = await listSessionsAtRelay(context.database, {
    ...scope,
    relayId: relay.id,
    limit: TENDED_AT_ONCE_MAX,
  });
  const reason = `its ${row.subject} was denied`;
  const ended = await inChunks(sessionIds, TOLD_AT_ONCE_MAX, async (sessionId) => {
    const command = { kind: "terminate", sessionId, reason, cause: "terminated" } as const;
    const pushed = await context.hubs.push(relay.id, command);
    return pushed.ok || willBeTold(pushed.error);
  });
  return ended.every(Boolean);
}

/** The welcome of a relay that is away tells it; what is late stays in its outbox. */
function willBeTold({ code }: PushFailure): boolean {
  return code === "control.offline" || code === "control.ack-timeout";
}

function withoutRevision({ subject, id, atMs, untilMs }: DenialRow): Denial {
  return { subject, id, atMs, untilMs };
}

function subjectsOf({ subject, id }: DenialRequest): AuditSubjects {
  switch (subject) {
    case "console":
      return { consoleId: id };
    case "session":
      return { sessionId: id };
    case "user":
    case "share":
      return {};
    default:
      return unreachable(subject);
  }
}

/** The clocks of two machines of the control plane differ by less. */
const CLOCKS_APART_MS = 1_000;
/**
 * A session lasts as long as its policy lets it, and a relay that is away may carry it meanwhile.
 * One that stays away longer than this is taken for gone.
 */
const SESSION_LIFE_MS = 30 * 86_400_000;
/** A ticket's life (TICKET_TTL_MS) and what making it takes, twice over. */
const TICKET_LIFE_MS = 5 * 60_000;
/** What one run or one subject may cost at most; the rest is for the next run. */
const TENDED_AT_ONCE_MAX = 1_000;
/** Relays that are waited for at the same time. */
const TOLD_AT_ONCE_MAX = 32;
const FIRST_VERSION = 1;
