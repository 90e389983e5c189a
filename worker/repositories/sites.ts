/** Sites and their fallbacks. */
import { and, asc, count, eq, gt, isNull, type SQL, sql } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import { assert } from "#shared/base/assert.ts";
import type { Database, Transaction } from "./database.ts";
import { consoles, sources } from "./schema/consoles.ts";
import { joinTokens, relays } from "./schema/relays.ts";
import { DEFAULT_SITE_ID, siteFallbacks, sites } from "./schema/sites.ts";
import { insertAuditRecords } from "./store-with-audit.ts";

/** A site with whom it falls back on, in order. */
export interface Site {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly createdAtMs: number;
  readonly fallbacks: readonly { readonly id: string; readonly name: string }[];
}

/** What belongs to a site, or falls back on it. */
export interface SiteUse {
  readonly relays: number;
  readonly sources: number;
  readonly consoles: number;
  /** Join tokens whose relay would belong to it. */
  readonly joinTokens: number;
  readonly fallbackOf: number;
}

export async function findSite(database: Database | Transaction, id: string): Promise<Site | null> {
  const [site] = await withFallbacks(database, [
    ...(await database.select().from(sites).where(eq(sites.id, id)).limit(1)),
  ]);
  return site ?? null;
}

/** A page of sites by name, which is unique. */
export async function listSites(
  database: Database,
  page: { readonly afterName: string | null; readonly limit: number },
): Promise<Site[]> {
  const { afterName, limit } = page;
  const rows = await database
    .select()
    .from(sites)
    .where(afterName === null ? undefined : gt(sites.name, afterName))
    .orderBy(asc(sites.name))
    .limit(limit);
  return await withFallbacks(database, rows);
}

/** Those of the ids that are no sites. */
export async function findUnknownSites(
  database: Database,
  ids: readonly string[],
): Promise<string[]> {
  if (ids.length === 0) {
    return [];
  }
  const rows = await database.select({ id: sites.id }).from(sites).where(oneOf(sites.id, ids));
  const known = new Set(rows.map(({ id }) => id));
  return ids.filter((id) => !known.has(id));
}

/** @throws a unique violation when a site of that name exists. */
export async function insertSite(
  database: Database,
  site: typeof sites.$inferInsert & { readonly fallbackIds: readonly string[] },
  audit: AuditRecord,
): Promise<void> {
  const { fallbackIds, ...row } = site;
  await database.transaction(async (transaction) => {
    await transaction.insert(sites).values(row);
    await putFallbacks(transaction, site.id, fallbackIds);
    await insertAuditRecords(transaction, [audit]);
  });
}

/** What of a site changes, and the record of that. */
export interface SiteUpdate {
  readonly changes: Pick<Site, "name" | "description">;
  /** In the place of those that it had; undefined: it keeps them. */
  readonly fallbackIds: readonly string[] | undefined;
  readonly audit: AuditRecord;
}

/**
 * Changes a site from what it is at that moment: `judge` answers the update, or null when there is
 * nothing to change. Nothing happens when there is no such site.
 *
 * @throws a unique violation when another site has the new name.
 */
export async function updateSite(
  database: Database,
  id: string,
  judge: (before: Site) => SiteUpdate | null,
): Promise<void> {
  await database.transaction(async (transaction) => {
    const before = await findSite(transaction, id);
    const update = before === null ? null : judge(before);
    if (update === null) {
      return;
    }
    const { changes, fallbackIds, audit } = update;
    await transaction.update(sites).set(changes).where(eq(sites.id, id));
    if (fallbackIds !== undefined) {
      await transaction.delete(siteFallbacks).where(eq(siteFallbacks.siteId, id));
      await putFallbacks(transaction, id, fallbackIds);
    }
    await insertAuditRecords(transaction, [audit]);
  });
}

/** What came of a deletion: `used` tells what still uses the site. */
export type SiteDeletion =
  | { readonly outcome: "deleted" | "none" }
  | { readonly outcome: "used"; readonly use: SiteUse };

/**
 * Deletes a site that nothing uses. What is itself deleted is no use of it, and is moved to the
 * default site.
 */
export async function deleteUnusedSite(
  database: Database,
  deletion: { readonly id: string; readonly nowMs: number },
  auditOf: (site: Site) => AuditRecord,
): Promise<SiteDeletion> {
  const { id, nowMs } = deletion;
  return await database.transaction(async (transaction) => {
    const site = await findSite(transaction, id);
    if (site === null) {
      return { outcome: "none" };
    }
    const use = await countUse(transaction, id, nowMs);
    if (Object.values(use).some((used: number) => used > 0)) {
      return { outcome: "used", use };
    }
    await transaction.update(relays).set({ siteId: DEFAULT_SITE_ID }).where(eq(relays.siteId, id));
    await transaction.update(consoles).set({ siteId: null }).where(eq(consoles.siteId, id));
    await transaction.update(joinTokens).set({ siteId: null }).where(eq(joinTokens.siteId, id));
    await transaction.delete(siteFallbacks).where(eq(siteFallbacks.siteId, id));
    await transaction.delete(sites).where(eq(sites.id, id));
    await insertAuditRecords(transaction, [auditOf(site)]);
    return { outcome: "deleted" };
  });
}

/** Moves a source to a site. The value is the site that it belonged to; null: no such source. */
export async function moveSource(
  database: Database,
  move: { readonly name: string; readonly siteId: string },
  auditOf: (fromSiteId: string) => AuditRecord,
): Promise<string | null> {
  return await database.transaction(async (transaction) => {
    const [source] = await transaction
      .select({ id: sources.id, siteId: sources.siteId })
      .from(sources)
      .where(eq(sources.name, move.name))
      .limit(1);
    if (source === undefined || source.siteId === move.siteId) {
      return source?.siteId ?? null;
    }
    await transaction.update(sources).set({ siteId: move.siteId }).where(eq(sources.id, source.id));
    await insertAuditRecords(transaction, [auditOf(source.siteId)]);
    return source.siteId;
  });
}

async function countUse(transaction: Transaction, id: string, nowMs: number): Promise<SiteUse> {
  const counted = async (rows: Promise<{ readonly used: number }[]>): Promise<number> => {
    const [row] = await rows;
    assert(row !== undefined, "a count is one row");
    return row.used;
  };
  const used = { used: count() };
  const isPending = and(
    eq(joinTokens.siteId, id),
    isNull(joinTokens.usedAtMs),
    isNull(joinTokens.revokedAtMs),
    gt(joinTokens.expiresAtMs, nowMs),
  );
  // All asked at once, so that they share a round trip.
  const [ofRelays, ofSources, ofConsoles, ofTokens, ofFallbacks] = await Promise.all([
    counted(
      transaction
        .select(used)
        .from(relays)
        .where(and(eq(relays.siteId, id), isNull(relays.deletedAtMs))),
    ),
    counted(transaction.select(used).from(sources).where(eq(sources.siteId, id))),
    counted(
      transaction
        .select(used)
        .from(consoles)
        .where(and(eq(consoles.siteId, id), isNull(consoles.deletedAtMs))),
    ),
    counted(transaction.select(used).from(joinTokens).where(isPending)),
    counted(
      transaction.select(used).from(siteFallbacks).where(eq(siteFallbacks.fallbackSiteId, id)),
    ),
  ]);
  return {
    relays: ofRelays,
    sources: ofSources,
    consoles: ofConsoles,
    joinTokens: ofTokens,
    fallbackOf: ofFallbacks,
  };
}

async function putFallbacks(
  transaction: Transaction,
  siteId: string,
  fallbackIds: readonly string[],
): Promise<void> {
  if (fallbackIds.length > 0) {
    await transaction.insert(siteFallbacks).values(
      fallbackIds.map((fallbackSiteId, index) => ({
        siteId,
        position: index + 1,
        fallbackSiteId,
      })),
    );
  }
}

/** The fallbacks of all of them in one read. */
async function withFallbacks(
  database: Database | Transaction,
  rows: readonly (typeof sites.$inferSelect)[],
): Promise<Site[]> {
  if (rows.length === 0) {
    return [];
  }
  const ids = rows.map(({ id }) => id);
  const found = await database
    .select({ siteId: siteFallbacks.siteId, id: sites.id, name: sites.name })
    .from(siteFallbacks)
    .innerJoin(sites, eq(sites.id, siteFallbacks.fallbackSiteId))
    .where(oneOf(siteFallbacks.siteId, ids))
    .orderBy(asc(siteFallbacks.siteId), asc(siteFallbacks.position));
  return rows.map((row) => ({
    ...row,
    fallbacks: found
      .filter(({ siteId }) => siteId === row.id)
      .map(({ id, name }) => ({ id, name })),
  }));
}

/** One bound value, however many ids there are. */
function oneOf(column: typeof sites.id | typeof siteFallbacks.siteId, ids: readonly string[]): SQL {
  return sql`${column} IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`;
}
