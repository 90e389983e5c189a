/** Relays: their identity and addresses, and whether they are there. */
import { and, asc, eq, gt, isNull } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import { insertAuditEvent } from "./audit-events.ts";
import type { Database } from "./database.ts";
import { joinTokens, relays } from "./schema.ts";

export type RelayRow = typeof relays.$inferSelect;

/** What placement and tickets need of a relay. */
export type OnlineRelay = Pick<RelayRow, "id" | "name" | "ticketEpoch">;

export async function findRelay(database: Database, id: string): Promise<RelayRow | null> {
  const [row] = await database.select().from(relays).where(eq(relays.id, id)).limit(1);
  return row ?? null;
}

/** A page of relays by name, which is unique. */
export async function listRelays(
  database: Database,
  page: { readonly afterName: string | null; readonly limit: number },
): Promise<RelayRow[]> {
  return await database
    .select()
    .from(relays)
    .where(page.afterName === null ? undefined : gt(relays.name, page.afterName))
    .orderBy(asc(relays.name))
    .limit(page.limit);
}

/** The relays that a console may be placed on. */
export async function listOnlineRelays(database: Database): Promise<OnlineRelay[]> {
  return await database
    .select({ id: relays.id, name: relays.name, ticketEpoch: relays.ticketEpoch })
    .from(relays)
    .where(eq(relays.state, "online"));
}

/**
 * Stores a new relay and uses up its join token. Of requests that race for one token, one wins;
 * the others get false, as for a token that is unknown, used or expired.
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
          gt(joinTokens.expiresAtMs, atMs),
        ),
      )
      .returning({ id: joinTokens.id });
    if (used.length === 0) {
      return false;
    }
    await transaction.insert(relays).values(relay);
    await insertAuditEvent(transaction, audit);
    return true;
  });
}

/** Shows the relay online. The value is its row, or null when there is no such relay. */
export async function storeRelayOnline(
  database: Database,
  relay: Pick<RelayRow, "id"> & {
    readonly build: string;
    readonly channelsMax: number;
    /** Where clients reach it, when it said so; else what is stored stays. */
    readonly advertised?: { readonly host: string; readonly tlsPort: number } | undefined;
    readonly atMs: number;
  },
  audit: AuditRecord,
): Promise<RelayRow | null> {
  const { id, build, channelsMax, advertised, atMs } = relay;
  return await database.transaction(async (transaction) => {
    const [row] = await transaction
      .update(relays)
      .set({ state: "online", build, channelsMax, ...advertised, lastSeenAtMs: atMs })
      .where(eq(relays.id, id))
      .returning();
    if (row === undefined) {
      return null;
    }
    await insertAuditEvent(transaction, audit);
    return row;
  });
}

/** Shows the relay offline; nothing happens, and nothing is audited, when it is so already. */
export async function storeRelayOffline(
  database: Database,
  relay: { readonly id: string; readonly atMs: number },
  audit: AuditRecord,
): Promise<void> {
  await database.transaction(async (transaction) => {
    const changed = await transaction
      .update(relays)
      .set({ state: "offline", lastSeenAtMs: relay.atMs })
      .where(and(eq(relays.id, relay.id), eq(relays.state, "online")))
      .returning({ id: relays.id });
    if (changed.length > 0) {
      await insertAuditEvent(transaction, audit);
    }
  });
}
