/** Links that open one console for guests. A link's token is found by its hash alone. */
import { and, desc, eq, gt, inArray, isNull, sql } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import type { Role } from "../identity/permissions.ts";
import type { Database, Transaction } from "./database.ts";
import { type NewDenial, storeDenial } from "./denials.ts";
import { consoles } from "./schema/consoles.ts";
import { users } from "./schema/people.ts";
import { sessions } from "./schema/sessions.ts";
import { shares } from "./schema/shares.ts";
import type { LiveSession } from "./sessions.ts";
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
  database: Database | Transaction,
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

/**
 * Revokes the link and stores the denial, if there is one, with it; of a link that was revoked
 * already the denial alone.
 */
export async function markShareRevoked(
  database: Database,
  revocation: { readonly id: string; readonly atMs: number; readonly denial: NewDenial | null },
  audit: AuditRecord,
): Promise<void> {
  const { id, atMs, denial } = revocation;
  await database.transaction(async (transaction) => {
    const revoked = await transaction
      .update(shares)
      .set({ revokedAtMs: atMs })
      .where(and(eq(shares.id, id), isNull(shares.revokedAtMs)))
      .returning({ id: shares.id });
    if (denial !== null) {
      await storeDenial(transaction, denial);
    }
    await insertAuditRecords(transaction, [
      ...revoked.map(() => audit),
      ...(denial === null ? [] : [denial.audit]),
    ]);
  });
}

/** The sessions that the link opened and that live: no more than it has uses. */
export async function listLiveSessionsOfShare(
  database: Database,
  id: string,
): Promise<LiveSession[]> {
  return await database
    .select({
      id: sessions.id,
      consoleId: sessions.consoleId,
      userId: sessions.userId,
      relayId: sessions.relayId,
    })
    .from(sessions)
    .where(and(eq(sessions.shareId, id), inArray(sessions.state, ["pending", "active"])));
}

function selectSummaries(database: Database) {
  return database
    .select(SUMMARY)
    .from(shares)
    .innerJoin(consoles, eq(consoles.id, shares.consoleId))
    .innerJoin(users, eq(users.id, shares.issuerId));
}

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
