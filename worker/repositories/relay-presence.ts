/** Relays as they come and go, and what their hubs keep of them: load, clock, last errors. */
import { and, eq, isNull, type SQL, sql } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Load, LoadLevel } from "#shared/control/load.ts";
import type { Database, Transaction } from "./database.ts";
import type { RelayRow } from "./relays.ts";
import { relays } from "./schema/relays.ts";
import { insertAuditRecords, storeWithAudit } from "./store-with-audit.ts";

/** A relay as it greets. */
export interface GreetingRelay {
  readonly id: string;
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
  /** What it can keep of a policy. */
  readonly enforces: readonly string[];
  readonly controlVersion: number;
  readonly clockSkewMs: number | null;
  /** Null: it does not say, and what it said before is old. */
  readonly load: { readonly load: Load; readonly level: LoadLevel } | null;
  readonly atMs: number;
}

/** Why a relay is not shown online. */
export type NotGreeted = "unknown" | "relay.disabled" | "relay.deleted";

/**
 * Shows the relay online, unless it is disabled or deleted. The value is its row. `serving` is
 * recorded when the relay drains and did not before, or the other way round.
 */
export async function storeRelayOnline(
  database: Database,
  relay: GreetingRelay,
  audits: { readonly online: AuditRecord; readonly serving: AuditRecord },
): Promise<Result<RelayRow, NotGreeted>> {
  const { id, build, channelsMax, controlVersion, clockSkewMs, advertised, draining, atMs } = relay;
  const enforces = JSON.stringify(relay.enforces);
  const place = { ...advertised, connectPort: advertised?.connectPort ?? null };
  return await database.transaction(async (transaction) => {
    const [row] = await transaction
      .update(relays)
      .set({
        state: "online",
        ...{ build, channelsMax, enforces, controlVersion, clockSkewMs },
        ...place,
        ...loadColumns(relay.load, atMs),
        lastSeenAtMs: atMs,
      })
      .where(and(eq(relays.id, id), isNull(relays.disabledAtMs), isNull(relays.deletedAtMs)))
      .returning();
    if (row === undefined) {
      return fail(await whyNotGreeted(transaction, id));
    }
    const turned = row.draining !== draining && (await turnServing(transaction, { id, draining }));
    await insertAuditRecords(
      transaction,
      turned ? [audits.online, audits.serving] : [audits.online],
    );
    return ok({ ...row, draining });
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

/** Shows how loaded the relay is. It is a figure and no change, so nothing is audited. */
export async function storeRelayLoad(
  database: Database,
  relay: {
    readonly id: string;
    readonly load: Load;
    readonly level: LoadLevel;
    readonly atMs: number;
  },
): Promise<void> {
  await database.update(relays).set(loadColumns(relay, relay.atMs)).where(eq(relays.id, relay.id));
}

/** One of a relay's last errors, as its hub saw it. */
export interface RelayError {
  readonly atMs: number;
  readonly code: string;
  readonly detail: string;
}

/**
 * Shows the relay offline; nothing happens, and nothing is audited, when it is so already.
 * @param relay.error what its going says of it; null: nothing is wrong
 */
export async function storeRelayOffline(
  database: Database,
  relay: { readonly id: string; readonly atMs: number; readonly error: RelayError | null },
  audit: AuditRecord,
): Promise<void> {
  const { id, atMs, error } = relay;
  const kept = error === null ? {} : { lastErrors: withError(error) };
  await database.transaction(async (transaction) => {
    const changed = await transaction
      .update(relays)
      .set({ state: "offline", lastSeenAtMs: atMs, ...kept })
      .where(and(eq(relays.id, id), eq(relays.state, "online")))
      .returning({ id: relays.id });
    if (changed.length > 0) {
      await insertAuditRecords(transaction, [audit]);
    }
  });
}

/** Keeps what a relay was refused for. */
export async function storeRelayRefusal(
  database: Database,
  relay: { readonly id: string; readonly error: RelayError },
  audit: AuditRecord,
): Promise<void> {
  await storeWithAudit(database, [audit], () => [
    database
      .update(relays)
      .set({ lastErrors: withError(relay.error) })
      .where(eq(relays.id, relay.id)),
  ]);
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

async function whyNotGreeted(transaction: Transaction, id: string): Promise<NotGreeted> {
  const [row] = await transaction
    .select({ deletedAtMs: relays.deletedAtMs })
    .from(relays)
    .where(eq(relays.id, id))
    .limit(1);
  if (row === undefined) {
    return "unknown";
  }
  return row.deletedAtMs === null ? "relay.disabled" : "relay.deleted";
}

function loadColumns(
  told: { readonly load: Load; readonly level: LoadLevel } | null,
  atMs: number,
): Pick<RelayRow, "load" | "loadLevel" | "isFull" | "loadAtMs"> {
  return told === null
    ? { load: null, loadLevel: null, isFull: false, loadAtMs: null }
    : {
        load: JSON.stringify(told.load),
        loadLevel: told.level.level,
        isFull: told.level.full,
        loadAtMs: atMs,
      };
}

/** The errors with one more; the oldest goes when there are too many. */
function withError(error: RelayError): SQL {
  const { lastErrors } = relays;
  const oldest = sql`CASE WHEN json_array_length(${lastErrors}) >= ${ERRORS_KEPT} THEN '$[0]' ELSE ${`$[${ERRORS_KEPT}]`} END`;
  return sql`json_remove(json_insert(${lastErrors}, '$[#]', json(${JSON.stringify(error)})), ${oldest})`;
}

/** What a person looks through who asks why a relay comes and goes; the audit trail has them all. */
const ERRORS_KEPT = 8;
