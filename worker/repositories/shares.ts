/** Links that open one console for guests. A link's token is found by its hash alone. */
import { and, desc, eq, gt, isNull, type SQL, sql } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import type { Role } from "../identity/permissions.ts";
import type { Database } from "./database.ts";
import { consoles } from "./schema/consoles.ts";
import { users } from "./schema/people.ts";
import { sessions, tickets } from "./schema/sessions.ts";
import { shares } from "./schema/shares.ts";
import { insertAuditRecords, storeWithAudit } from "./store-with-audit.ts";

export interface ShareSummary {
  readonly id: string;
  readonly consoleId: string;
  readonly consoleName: string;
  readonly consoleDeletedAtMs: number | null;
  readonly issuerId: string;
  readonly issuerName: string;
  readonly label: string | null;
  /** JSON of its rules. */
  readonly policy: string | null;
  readonly usesMax: number;
  readonly usesLeft: number;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly revokedAtMs: number | null;
}

/** A link with what its issuer may do now. */
export interface IssuedShare extends ShareSummary {
  readonly issuerRole: Role;
  /** Whether the issuer was disabled or deleted. */
  readonly issuerIsGone: boolean;
}

/** Position in the list, newest first. */
export interface ShareCursor {
  readonly createdAtMs: number;
  readonly id: string;
}

export async function insertShare(
  database: Database,
  share: typeof shares.$inferInsert,
  audit: AuditRecord,
): Promise<void> {
  await storeWithAudit(database, [audit], () => [database.insert(shares).values(share)]);
}

/** A page of links, newest first. */
export async function listShares(
  database: Database,
  page: {
    /** Null: everybody's. */
    readonly issuerId: string | null;
    readonly consoleId: string | undefined;
    readonly after: ShareCursor | null;
    readonly limit: number;
  },
): Promise<ShareSummary[]> {
  const { issuerId, consoleId, after } = page;
  return await selectSummaries(database)
    .where(
      and(
        issuerId === null ? undefined : eq(shares.issuerId, issuerId),
        consoleId === undefined ? undefined : eq(shares.consoleId, consoleId),
        after === null
          ? undefined
          : sql`(${shares.createdAtMs}, ${shares.id}) < (${after.createdAtMs}, ${after.id})`,
      ),
    )
    .orderBy(desc(shares.createdAtMs), desc(shares.id))
    .limit(page.limit);
}

export async function findShare(database: Database, id: string): Promise<ShareSummary | null> {
  const [row] = await selectSummaries(database).where(eq(shares.id, id)).limit(1);
  return row ?? null;
}

export async function findShareByToken(
  database: Database,
  tokenHash: string,
): Promise<IssuedShare | null> {
  const [row] = await database
    .select({
      ...SUMMARY,
      issuerRole: users.role,
      issuerIsGone: sql<number>`${users.disabledAtMs} IS NOT NULL OR ${users.deletedAtMs} IS NOT NULL`,
    })
    .from(shares)
    .innerJoin(consoles, eq(consoles.id, shares.consoleId))
    .innerJoin(users, eq(users.id, shares.issuerId))
    .where(eq(shares.tokenHash, tokenHash))
    .limit(1);
  return row === undefined ? null : { ...row, issuerIsGone: row.issuerIsGone === 1 };
}

/**
 * The statement that takes one use of the link. Where none is left, or the link has expired or is
 * revoked, it breaks the table's check and with it the batch that it belongs to.
 */
export function takeShareUse(
  database: Database,
  use: { readonly id: string; readonly nowMs: number },
) {
  const isAlive = and(isNull(shares.revokedAtMs), gt(shares.expiresAtMs, use.nowMs));
  return database
    .update(shares)
    .set({ usesLeft: sql`CASE WHEN ${isAlive} THEN ${shares.usesLeft} - 1 ELSE -1 END` })
    .where(eq(shares.id, use.id));
}

/** The statement that gives back the use that a session took, while the session waits to be opened. */
export function giveShareUseBack(database: Database, sessionId: string) {
  const shareOfSession = database
    .select({ id: sessions.shareId })
    .from(sessions)
    .where(and(eq(sessions.id, sessionId), eq(sessions.state, "pending")));
  return database
    .update(shares)
    .set({ usesLeft: sql`${shares.usesLeft} + 1` })
    .where(eq(shares.id, sql`(${shareOfSession})`));
}

/** A session that a revoked link opened and that lives. */
export interface LivingSession {
  readonly id: string;
  readonly consoleId: string;
  readonly relayId: string;
}

/**
 * Revokes the link, and with `endSessions` makes the tickets of its living sessions void. Gives
 * these sessions, whose relays are to be told; null when the link was revoked already.
 */
export async function markShareRevoked(
  database: Database,
  revocation: { readonly id: string; readonly atMs: number; readonly endSessions: boolean },
  auditsOf: (ended: readonly LivingSession[]) => readonly AuditRecord[],
): Promise<readonly LivingSession[] | null> {
  const { id, atMs, endSessions } = revocation;
  return await database.transaction(async (transaction) => {
    const revoked = await transaction
      .update(shares)
      .set({ revokedAtMs: atMs })
      .where(and(eq(shares.id, id), isNull(shares.revokedAtMs)))
      .returning({ id: shares.id });
    if (revoked.length === 0) {
      return null;
    }
    const ended = endSessions
      ? await transaction.select(LIVING).from(sessions).where(isLivingOf(id))
      : [];
    if (endSessions) {
      await transaction
        .update(tickets)
        .set({ withdrawnAtMs: atMs })
        .where(
          and(
            sql`${tickets.sessionId} IN (SELECT id FROM sessions WHERE ${isLivingOf(id)})`,
            isNull(tickets.withdrawnAtMs),
          ),
        );
    }
    const living = ended.flatMap(({ relayId, ...session }) =>
      relayId === null ? [] : [{ ...session, relayId }],
    );
    await insertAuditRecords(transaction, auditsOf(living));
    return living;
  });
}

/** The sessions of a link that live. */
function isLivingOf(shareId: string): SQL {
  return sql`share_id = ${shareId} AND state IN ('pending', 'active')`;
}

function selectSummaries(database: Database) {
  return database
    .select(SUMMARY)
    .from(shares)
    .innerJoin(consoles, eq(consoles.id, shares.consoleId))
    .innerJoin(users, eq(users.id, shares.issuerId));
}

const LIVING = { id: sessions.id, consoleId: sessions.consoleId, relayId: sessions.relayId };

const SUMMARY = {
  id: shares.id,
  consoleId: shares.consoleId,
  consoleName: consoles.name,
  consoleDeletedAtMs: consoles.deletedAtMs,
  issuerId: shares.issuerId,
  issuerName: users.username,
  label: shares.label,
  policy: shares.policy,
  usesMax: shares.usesMax,
  usesLeft: shares.usesLeft,
  createdAtMs: shares.createdAtMs,
  expiresAtMs: shares.expiresAtMs,
  revokedAtMs: shares.revokedAtMs,
};
