/** What placement looks at: every relay of a console's site and of that site's fallbacks, in one read. */
import { and, eq, isNull, sql } from "drizzle-orm";
import { unionAll } from "drizzle-orm/sqlite-core";
import type { Database } from "./database.ts";
import { consoles, sources } from "./schema/consoles.ts";
import { readEnforces } from "./relays.ts";
import { relays } from "./schema/relays.ts";
import { siteFallbacks, sites } from "./schema/sites.ts";

/** One relay of one step of a console's sites; a site without relays has one row without a relay. */
export interface PlacementRow {
  /** 0: the console's own site; from 1 on: its fallbacks. */
  readonly step: number;
  readonly siteName: string;
  readonly relay: PlacedRelay | null;
}

export type PlacedRelay = Pick<
  typeof relays.$inferSelect,
  | "id"
  | "name"
  | "ticketEpoch"
  | "state"
  | "draining"
  | "drainOrdered"
  | "disabledAtMs"
  | "controlVersion"
  | "connectPort"
  | "loadLevel"
  | "isFull"
> & {
  /** What it can keep of a policy. */
  readonly enforces: readonly string[];
};

/** Empty when there is no such console. */
export async function listRelaysForConsole(
  database: Database,
  consoleId: string,
): Promise<PlacementRow[]> {
  const home = database.$with("home").as(
    database
      .select({
        siteId: sql<string>`coalesce(${consoles.siteId}, ${sources.siteId})`.as("home_site"),
      })
      .from(consoles)
      .innerJoin(sources, eq(sources.id, consoles.sourceId))
      .where(and(eq(consoles.id, consoleId), isNull(consoles.deletedAtMs))),
  );
  const chain = database.$with("chain").as(
    unionAll(
      database.select({ siteId: home.siteId, step: sql<number>`0`.as("step") }).from(home),
      database
        .select({
          siteId: siteFallbacks.fallbackSiteId,
          step: sql<number>`${siteFallbacks.position}`.as("step"),
        })
        .from(home)
        .innerJoin(siteFallbacks, eq(siteFallbacks.siteId, home.siteId)),
    ),
  );
  const rows = await database
    .with(home, chain)
    .select({
      step: chain.step,
      siteName: sites.name,
      relay: {
        id: relays.id,
        name: relays.name,
        ticketEpoch: relays.ticketEpoch,
        state: relays.state,
        draining: relays.draining,
        drainOrdered: relays.drainOrdered,
        disabledAtMs: relays.disabledAtMs,
        controlVersion: relays.controlVersion,
        connectPort: relays.connectPort,
        loadLevel: relays.loadLevel,
        isFull: relays.isFull,
        enforces: relays.enforces,
      },
    })
    .from(chain)
    .innerJoin(sites, eq(sites.id, chain.siteId))
    .leftJoin(relays, and(eq(relays.siteId, sites.id), isNull(relays.deletedAtMs)));
  return rows.map(({ relay, ...row }) => ({
    ...row,
    relay: relay === null ? null : { ...relay, enforces: readEnforces(relay.enforces) },
  }));
}
