/** What lists and single answers show of a console; the sealed password is not among it. */
import { sql } from "drizzle-orm";
import { z } from "zod";
import { type AccessLevel, levelOfRank } from "../identity/access-level.ts";
import { consoles, sources } from "./schema/consoles.ts";

export interface ConsoleSummary {
  readonly id: string;
  readonly name: string;
  readonly uuid: string;
  readonly source: string;
  readonly project: string | null;
  /** In their order. */
  readonly tags: readonly string[];
  readonly host: string;
  readonly port: number | null;
  readonly tlsPort: number | null;
  readonly hostSubject: string | null;
  readonly proxy: string | null;
  /** JSON of its own rules. */
  readonly policy: string | null;
  /** The site whose relays reach it; null: its source's. */
  readonly siteId: string | null;
  readonly createdAtMs: number;
  /** What rules give the user of it who asks. */
  readonly granted: AccessLevel | null;
}

/** The columns, for a query of consoles joined with their sources. */
export const SUMMARY = {
  id: consoles.id,
  name: consoles.name,
  uuid: consoles.uuid,
  source: sources.name,
  project: consoles.project,
  /** As JSON. */
  tags: sql<string>`(SELECT json_group_array(tag) FROM
    (SELECT tag FROM console_tags WHERE console_id = ${consoles.id} ORDER BY tag))`,
  host: consoles.host,
  port: consoles.port,
  tlsPort: consoles.tlsPort,
  hostSubject: consoles.hostSubject,
  proxy: consoles.proxy,
  policy: consoles.policy,
  siteId: consoles.siteId,
  createdAtMs: consoles.createdAtMs,
};

/** A row of such a query, with the rank of what the user is granted. */
export type SummaryRow = Omit<ConsoleSummary, "tags" | "granted"> & {
  readonly tags: string;
  readonly rank: number;
};

export function toSummary({ tags, rank, ...row }: SummaryRow): ConsoleSummary {
  return { ...row, tags: tagsSchema.parse(JSON.parse(tags)), granted: levelOfRank(rank) };
}

const tagsSchema = z.array(z.string());
