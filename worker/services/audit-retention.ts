/**
 * Retention: what of the audit trail may be deleted, and its deletion.
 *
 * What may go is decided by checkpoints, and not by the events' own times, which are the clocks of
 * whoever saw them: all that a checkpoint covers was stored before it was made. So of each chain a
 * beginning goes, whose last hash is signed; the next checkpoint says so (checkpoint.ts, `cutSeq`),
 * and the chain can be verified from there on. Nothing is deleted before that one is signed and has
 * been there for a while, so that whoever reads the trail meanwhile knows of the cut.
 */
import type { CheckpointClaims, SignedChain } from "#shared/audit/checkpoint.ts";
import {
  deleteCheckpoints,
  deleteLinks,
  findNewestCheckpoint,
  listCheckpointTimes,
} from "../repositories/audit-checkpoints.ts";
import { findLastFollowed } from "../repositories/webhooks.ts";
import { readKeyring } from "./audit-keyring.ts";
import { openCheckpoint } from "./audit-signer.ts";
import type { ServiceContext } from "./context.ts";

/** The checkpoint up to which events may go; null when all are kept. */
export async function findCut(context: ServiceContext): Promise<CheckpointClaims | null> {
  const { auditRetentionMs } = context.settings;
  return auditRetentionMs === null
    ? null
    : await readCheckpointOf(context, context.nowMs() - auditRetentionMs);
}

/** The chains with their cuts moved on, never back. */
export function applyCut(
  chains: readonly SignedChain[],
  cut: CheckpointClaims | null,
): SignedChain[] {
  const cuts = new Map(cut?.chains.map((chain) => [chain.writer, chain]));
  return chains.map((chain) => {
    const old = cuts.get(chain.writer);
    return old !== undefined && old.seq > chain.cutSeq && old.seq <= chain.seq
      ? { ...chain, cutSeq: old.seq, cutHash: old.hash }
      : chain;
  });
}

/** The job: deletes what was signed as cut a while ago, and checkpoints that are of no more use. */
export async function applyRetention(
  context: ServiceContext,
): Promise<{ readonly again: boolean }> {
  await thinCheckpoints(context);
  const signed = await readCheckpointOf(context, context.nowMs() - CUT_GRACE_MS);
  const cuts = (signed?.chains ?? [])
    .filter(({ cutSeq }) => cutSeq > 0)
    .map(({ writer, cutSeq: seq }) => ({ writer, seq }));
  // A webhook that lags is waited for; one that never gets on is disabled within days.
  const lastPosition = (await findLastFollowed(context.database)) ?? Number.MAX_SAFE_INTEGER;
  const bounds = { limit: LINKS_AT_ONCE, lastPosition };
  let rounds = 0;
  for (let start = 0; start < cuts.length; start += CHAINS_AT_ONCE) {
    const group = cuts.slice(start, start + CHAINS_AT_ONCE);
    while ((await deleteLinks(context.database, group, bounds)) > 0) {
      rounds += 1;
      if (rounds === ROUNDS_MAX) {
        return { again: true };
      }
    }
  }
  return { again: false };
}

/**
 * What the newest checkpoint says that is not younger; null when there is none that we signed. By
 * the time that is signed, too: the table's own column could make a new one look old.
 */
async function readCheckpointOf(
  context: ServiceContext,
  notAfterMs: number,
): Promise<CheckpointClaims | null> {
  const row = await findNewestCheckpoint(context.database, notAfterMs);
  const keyring = await readKeyring(context);
  if (row === null || !keyring.ok) {
    return null;
  }
  const claims = await openCheckpoint(keyring.value.keys, context.settings.publicUrl, row.jws);
  return claims !== null && claims.atMs <= notAfterMs ? claims : null;
}

/**
 * Keeps all checkpoints of two days, before that the last one of each day, and none from before the
 * one that retention follows.
 */
async function thinCheckpoints(context: ServiceContext): Promise<void> {
  const nowMs = context.nowMs();
  const { database, settings } = context;
  const kept = nowMs - KEEP_ALL_MS;
  const range = { fromMs: kept - THIN_BACK_MS, beforeMs: kept, limit: CHECKPOINTS_AT_ONCE };
  const times = await listCheckpointTimes(database, range);
  const dayOf = (atMs: number): number => Math.floor(atMs / DAY_MS);
  const spare = times.filter(
    ({ atMs }, index) => dayOf(times[index + 1]?.atMs ?? Infinity) === dayOf(atMs),
  );
  const cut =
    settings.auditRetentionMs === null
      ? null
      : await findNewestCheckpoint(database, nowMs - settings.auditRetentionMs);
  const gone =
    cut === null
      ? []
      : await listCheckpointTimes(database, { ...range, fromMs: 0, beforeMs: cut.atMs });
  const numbers = [...spare, ...gone].map(({ number }) => number);
  if (numbers.length > 0) {
    await deleteCheckpoints(database, numbers);
  }
}

const DAY_MS = 24 * 60 * 60_000;
/** Far longer than anybody takes to read a trail page by page. */
const CUT_GRACE_MS = 6 * 60 * 60_000;
/** Exact times are of use while somebody looks into what happened just now. */
const KEEP_ALL_MS = 2 * DAY_MS;
/** Older ones were thinned before; this is how long the job may have stood still. */
const THIN_BACK_MS = 60 * DAY_MS;
const CHECKPOINTS_AT_ONCE = 2_000;
const CHAINS_AT_ONCE = 50;
const LINKS_AT_ONCE = 200;
/** Some seconds; what is left is deleted in the next run, which comes at once. */
const ROUNDS_MAX = 50;
