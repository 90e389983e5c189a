/** An audit trail of the test's own: events of people and of relays, and its verification. */
import { sql } from "drizzle-orm";
import { TrailVerifier, type TrailReport } from "#shared/audit/verify-trail.ts";
import { type AuditEvent, auditEventSchema, type AuditRecord } from "#shared/audit/events.ts";
import { listCheckpoints, listHeads } from "../../worker/repositories/audit-checkpoints.ts";
import { type AuditFilter, listAuditEvents } from "../../worker/repositories/audit-events.ts";
import { storeWithAudit } from "../../worker/repositories/store-with-audit.ts";
import { auditRecord, SYSTEM_CALLER } from "../../worker/services/audit-record.ts";
import { readTrailKeys } from "../../worker/services/audit-chains.ts";
import { openCheckpoint } from "../../worker/services/audit-signer.ts";
import { pageChainLinks } from "../../worker/services/audit-trail.ts";
import type { ControlServices } from "./control-services.ts";

type Context = ControlServices["context"];

/** Stores one event, of a relay or of the system. */
export async function storeEvent(
  context: Context,
  event: AuditEvent,
  relayId?: string,
): Promise<void> {
  const caller =
    relayId === undefined
      ? SYSTEM_CALLER
      : ({ ...SYSTEM_CALLER, actorKind: "relay", actorId: relayId } as const);
  await storeWithAudit(context.database, [auditRecord(context, caller, event)]);
}

/** Stores events of one relay, whose chain is `relay:ID`. */
export async function storeRelayTrail(
  context: Context,
  relayId: string,
  count: number,
): Promise<void> {
  const relay = { ...SYSTEM_CALLER, actorKind: "relay", actorId: relayId } as const;
  const endMs = context.nowMs();
  const events = Array.from({ length: count }, (_, index) => {
    const event = { type: "relay.online", data: { build: `b${index + 1}` } } as const;
    return { ...auditRecord(context, relay, event), atMs: endMs - count + index };
  });
  await storeWithAudit(context.database, events);
}

/** Everything that the database has of the trail, verified as an auditor would. */
export async function verifyDatabase(context: Context): Promise<TrailReport> {
  const verifier = new TrailVerifier(context.settings.publicUrl);
  const { keys, issuer } = await readTrailKeys(context);
  for (const { number, jws } of await listCheckpoints(context.database, ALL_NUMBERS)) {
    const claims = await openCheckpoint(keys, issuer, jws);
    if (claims === null) {
      verifier.addBadCheckpoint(`checkpoint ${number}`, "was not signed by the control plane");
    } else {
      verifier.addCheckpoint(claims);
    }
  }
  for (const head of await listHeads(context.database, { afterWriter: "", limit: 1000 })) {
    verifier.addHead(head, "the table of chains");
  }
  let after: { writer: string; seq: number } | null = null;
  do {
    const page: Awaited<ReturnType<typeof pageChainLinks>> = await pageChainLinks(context, {
      after,
      limit: 7,
    });
    for (const link of page.items) {
      await verifier.addEvent(link);
    }
    after = page.next;
  } while (after !== null);
  return verifier.finish();
}

/** What was found, short: "edited relay:x 3-3". */
export function findingsOf(report: TrailReport): string[] {
  return report.findings.map(({ kind, writer, fromSeq, toSeq }) =>
    writer === null ? kind : `${kind} ${writer} ${fromSeq}-${toSeq}`,
  );
}

/** How many rows the table has. */
export async function countRows(context: Context, table: string): Promise<number> {
  const rows = await context.database.all<{ count: number }>(
    sql`SELECT count(*) AS count FROM ${sql.raw(table)}`,
  );
  return rows[0]?.count ?? 0;
}

const ALL_NUMBERS = { afterNumber: 0, limit: 1000 };

/** The trail's newest events of one type, or about one thing, as they were recorded. */
export async function recordedEvents(
  { database }: Pick<Context, "database">,
  wanted: Omit<AuditFilter, "types"> & { readonly type?: string } = {},
  limit = 100,
): Promise<AuditRecord[]> {
  const { type, ...others } = wanted;
  const filter = { ...others, types: type === undefined ? undefined : [type] };
  const page = { filter, order: "newest-first", after: null, limit } as const;
  const { items } = await listAuditEvents(database, page);
  return items.map(({ type: name, data, actorKind, writer: _w, seq: _s, hash: _h, ...row }) => ({
    ...row,
    actorKind: actorKind as AuditRecord["actorKind"],
    event: auditEventSchema.parse({ type: name, data: JSON.parse(data) }),
  }));
}
