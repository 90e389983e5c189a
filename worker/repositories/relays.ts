/** Relays: their identity and addresses, and whether they are there. */
import { and, asc, eq, gt, isNull } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import type { Database, Transaction } from "./database.ts";
import { joinTokens, relays } from "./schema/relays.ts";
import { insertAuditRecords } from "./store-with-audit.ts";

export type RelayRow = typeof relays.$inferSelect;

/** What placement and tickets need of a relay. */
export type OnlineRelay = Pick<
  RelayRow,
  "id" | "name" | "ticketEpoch" | "connectPort" | "draining"
> & {
  /** What it can keep of a policy. */
  readonly enforces: readonly string[];
};

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

/** The relays that are there. */
export async function listOnlineRelays(database: Database): Promise<OnlineRelay[]> {
  const rows = await database
    .select({
      id: relays.id,
      name: relays.name,
      ticketEpoch: relays.ticketEpoch,
      connectPort: relays.connectPort,
      draining: relays.draining,
      enforces: relays.enforces,
    })
    .from(relays)
    .where(eq(relays.state, "online"));
  return rows.map((row) => ({ ...row, enforces: readEnforces(row.enforces) }));
}

function readEnforces(stored: string): string[] {
  return JSON.parse(stored) as string[];
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
    await insertAuditRecords(transaction, [audit]);
    return true;
  });
}

/**
 * Shows the relay online. The value is its row, or null when there is no such relay. `serving` is
 * recorded when the relay drains and did not before, or the other way round.
 */
export async function storeRelayOnline(
  database: Database,
  relay: Pick<RelayRow, "id"> & {
    readonly build: string;
    readonly channelsMax: number;
    /** Where clients reach it, when it said so; else its host and TLS port stay. */
    readonly advertised?:
      | {
          readonly host: string;
          readonly tlsPort: number;
          readonly connectPort?: number | undefined;
        }
      | undefined;
    readonly draining: boolean;
    readonly enforces: readonly string[];
    readonly atMs: number;
  },
  audits: { readonly online: AuditRecord; readonly serving: AuditRecord },
): Promise<RelayRow | null> {
  const { id, build, channelsMax, advertised, draining, atMs } = relay;
  const enforces = JSON.stringify(relay.enforces);
  const connectPort = advertised?.connectPort ?? null;
  const place = { ...advertised, connectPort };
  return await database.transaction(async (transaction) => {
    const turned = await turnServing(transaction, { id, draining });
    const [row] = await transaction
      .update(relays)
      .set({ state: "online", build, channelsMax, enforces, ...place, lastSeenAtMs: atMs })
      .where(eq(relays.id, id))
      .returning();
    if (row === undefined) {
      return null;
    }
    await insertAuditRecords(
      transaction,
      turned ? [audits.online, audits.serving] : [audits.online],
    );
    return row;
  });
}

/** Shows whether the relay takes new sessions; nothing is audited when it is shown so already. */
export async function storeRelayServing(
  database: Database,
  relay: { readonly id: string; readonly draining: boolean },
  audit: AuditRecord,
): Promise<void> {
  await database.transaction(async (transaction) => {
    if (await turnServing(transaction, relay)) {
      await insertAuditRecords(transaction, [audit]);
    }
  });
}

/** Whether the relay was shown otherwise before. */
async function turnServing(
  transaction: Transaction,
  relay: { readonly id: string; readonly draining: boolean },
): Promise<boolean> {
  const { id, draining } = relay;
  const turned = await transaction
    .update(relays)
    .set({ draining })
    .where(and(eq(relays.id, id), eq(relays.draining, !draining)))
    .returning({ id: relays.id });
  return turned.length > 0;
}

/** The relays that are shown online, by id. */
export async function pageOnlineRelays(
  database: Database,
  page: { readonly afterId: string; readonly limit: number },
): Promise<string[]> {
  const rows = await database
    .select({ id: relays.id })
    .from(relays)
    .where(and(eq(relays.state, "online"), gt(relays.id, page.afterId)))
    .orderBy(relays.id)
    .limit(page.limit);
  return rows.map(({ id }) => id);
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
      await insertAuditRecords(transaction, [audit]);
    }
  });
}
