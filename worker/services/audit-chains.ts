/** What an auditor needs besides the events: the keys, the checkpoints and the chains' heads. */
import type { ChainHead } from "#shared/audit/chain.ts";
import type { TrailKeys } from "#shared/audit/trail-file.ts";
import { listCheckpoints, listHeads } from "../repositories/audit-checkpoints.ts";
import { countUnchained } from "../repositories/audit-legacy.ts";
import { readKeyring } from "./audit-keyring.ts";
import type { ServiceContext } from "./context.ts";

export interface CheckpointView {
  readonly number: number;
  /** RFC 3339. */
  readonly at: string;
  readonly jws: string;
}

/** Whose trail it is, the keys that its checkpoints may be signed with, and what is no link yet. */
export async function readTrailKeys(context: ServiceContext): Promise<TrailKeys> {
  const keyring = await readKeyring(context);
  return {
    issuer: context.settings.publicUrl,
    keys: keyring.ok ? [...keyring.value.keys] : [],
    unchained: await countUnchained(context.database, UNCHAINED_COUNTED_MAX),
  };
}

/** Checkpoints, oldest first. @param after the number of the last one of the page before. */
export async function pageCheckpoints(
  { database }: ServiceContext,
  after: number | null,
  limitWished = CHECKPOINTS_AT_ONCE,
): Promise<{ readonly items: readonly CheckpointView[]; readonly next: number | null }> {
  const limit = Math.min(limitWished, CHECKPOINTS_AT_ONCE);
  const rows = await listCheckpoints(database, { afterNumber: after ?? 0, limit });
  const last = rows.at(-1);
  return {
    items: rows.map(({ number, atMs, jws }) => ({
      number,
      at: new Date(atMs).toISOString(),
      jws,
    })),
    next: rows.length < limit || last === undefined ? null : last.number,
  };
}

/** Where the chains end now, by writer. @param after the last writer of the page before. */
export async function pageHeads(
  { database }: ServiceContext,
  after: string | null,
  limit = HEADS_AT_ONCE,
): Promise<{ readonly items: readonly ChainHead[]; readonly next: string | null }> {
  const heads = await listHeads(database, { afterWriter: after ?? "", limit });
  const last = heads.at(-1);
  return { items: heads, next: heads.length < limit || last === undefined ? null : last.writer };
}

const UNCHAINED_COUNTED_MAX = 5_000;
/** One has a line for each chain: with thousands of relays, some hundred kilobytes. */
export const CHECKPOINTS_AT_ONCE = 10;
const HEADS_AT_ONCE = 1_000;
