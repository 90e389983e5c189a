/** Relays as they join, are found, listed and changed. Their coming and going is in relay-presence.ts. */
import { and, asc, eq, gt, isNotNull, isNull, or, type SQL } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import { unreachable } from "#shared/base/assert.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Database } from "./database.ts";
import { joinTokens, relays } from "./schema/relays.ts";
import { sites } from "./schema/sites.ts";
import { insertAuditRecords } from "./store-with-audit.ts";

export type RelayRow = typeof relays.$inferSelect;

/** A relay with the name of its site. */
export interface SitedRelay extends RelayRow {
  readonly siteName: string;
}

export interface RelayFilter {
  readonly name?: string | undefined;
  readonly siteId?: string | undefined;
  /** `draining`: online, and it takes no new sessions. */
  readonly state?: RelayState | undefined;
}

export type RelayState = "online" | "offline" | "draining" | "disabled";

/** The relay's row, also when it was deleted. */
export async function findRelay(database: Database, id: string): Promise<RelayRow | null> {
  const [row] = await database.select().from(relays).where(eq(relays.id, id)).limit(1);
  return row ?? null;
}

/** A relay that was not deleted. */
export async function findSitedRelay(database: Database, id: string): Promise<SitedRelay | null> {
  const [row] = await selectSited(database)
    .where(and(eq(relays.id, id), isNull(relays.deletedAtMs)))
    .limit(1);
  return row === undefined ? null : { ...row.relay, siteName: row.siteName ?? "" };
}

/** A page of relays by name, which is unique. */
export async function listRelays(
  database: Database,
  page: {
    readonly filter: RelayFilter;
    readonly afterName: string | null;
    readonly limit: number;
  },
): Promise<SitedRelay[]> {
  const { filter, afterName } = page;
  const rows = await selectSited(database)
    .where(
      and(
        isNull(relays.deletedAtMs),
        filter.name === undefined ? undefined : eq(relays.name, filter.name),
        filter.siteId === undefined ? undefined : eq(relays.siteId, filter.siteId),
        filter.state === undefined ? undefined : isInState(filter.state),
        afterName === null ? undefined : gt(relays.name, afterName),
      ),
    )
    .orderBy(asc(relays.name))
    .limit(page.limit);
  return rows.map(({ relay, siteName }) => ({ ...relay, siteName: siteName ?? "" }));
}

/**
 * Stores a new relay and uses up its join token. Of requests that race for one token, one wins;
 * the others get false, as for a token that is unknown, used, revoked or expired.
 *
 * @throws a unique violation when a relay of that name exists; the token is then still good.
 */
export async function storeEnrolledRelay(
  database: Database,
  enrolment: {
    readonly tokenHash: string;
    readonly relay: typeof relays.$inferInsert;
    readonly audit: AuditRecord;
  },
): Promise<boolean> {
  const { tokenHash, relay, audit } = enrolment;
  const atMs = relay.enrolledAtMs;
  return await database.transaction(async (transaction) => {
    const used = await transaction
      .update(joinTokens)
      .set({ usedAtMs: atMs, relayId: relay.id })
      .where(
        and(
          eq(joinTokens.tokenHash, tokenHash),
          isNull(joinTokens.usedAtMs),
          isNull(joinTokens.revokedAtMs),
          gt(joinTokens.expiresAtMs, atMs),
        ),
      )
      .returning({ id: joinTokens.id });
    if (used.length === 0) {
      return false;
    }
    await transaction.insert(relays).values(relay);
    await insertAuditRecords(transaction, [audit]);
    return true;
  });
}

/** What to change of a relay, and the records that tell of it; none: it is so already. */
export interface RelayChange {
  readonly changes: Partial<RelayRow>;
  readonly audits: readonly AuditRecord[];
}

/**
 * Changes a relay by a decision on how it is now. The value is its row afterwards, null when there is
 * no such relay, or what the decision failed with.
 *
 * @throws a unique violation when another relay has the new name.
 */
export async function changeRelay<Refusal>(
  database: Database,
  id: string,
  decide: (relay: RelayRow) => Result<RelayChange, Refusal>,
): Promise<Result<RelayRow | null, Refusal>> {
  return await database.transaction(async (transaction) => {
    const [row] = await transaction
      .select()
      .from(relays)
      .where(and(eq(relays.id, id), isNull(relays.deletedAtMs)))
      .limit(1);
    if (row === undefined) {
      return ok(null);
    }
    const decided = decide(row);
    if (!decided.ok) {
      return fail(decided.error);
    }
    const { changes, audits } = decided.value;
    if (audits.length === 0) {
      return ok(row);
    }
    await transaction.update(relays).set(changes).where(eq(relays.id, id));
    await insertAuditRecords(transaction, audits);
    return ok({ ...row, ...changes });
  });
}

/** From the relays outwards, so that their indexes give the order. */
function selectSited(database: Database) {
  return database
    .select({ relay: relays, siteName: sites.name })
    .from(relays)
    .leftJoin(sites, eq(sites.id, relays.siteId));
}

/** What the relays that are online can keep of a policy; each list once. */
export async function listOnlineEnforcements(database: Database): Promise<string[][]> {
  const rows = await database
    .selectDistinct({ enforces: relays.enforces })
    .from(relays)
    .where(and(eq(relays.state, "online"), isNull(relays.deletedAtMs)));
  return rows.map(({ enforces }) => readEnforces(enforces));
}

export function readEnforces(stored: string): string[] {
  return JSON.parse(stored) as string[];
}

/** The relays that are shown online, by name. */
export async function pageOnlineRelays(
  database: Database,
  page: { readonly afterName: string; readonly limit: number },
): Promise<Pick<RelayRow, "id" | "name">[]> {
  const { state, deletedAtMs, name } = relays;
  return await database
    .select({ id: relays.id, name })
    .from(relays)
    .where(and(eq(state, "online"), isNull(deletedAtMs), gt(name, page.afterName)))
    .orderBy(name)
    .limit(page.limit);
}

function isInState(state: RelayState): SQL | undefined {
  switch (state) {
    case "online":
    case "offline":
      return eq(relays.state, state);
    case "draining":
      return and(
        eq(relays.state, "online"),
        or(eq(relays.draining, true), eq(relays.drainOrdered, true)),
      );
    case "disabled":
      return isNotNull(relays.disabledAtMs);
    default:
      return unreachable(state);
  }
}
