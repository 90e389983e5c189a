/**
 * The job that signs where the audit trail's chains end. It signs nothing that it has not checked:
 * from what the newest checkpoint says of a chain it follows the links behind, and goes no further
 * than they fit. So a past that was made anew is found out here, and never signed.
 */
import type { AuditEvent } from "#shared/audit/events.ts";
import { type ChainHead, followLinks } from "#shared/audit/chain.ts";
import {
  type CheckpointClaims,
  type SignedChain,
  unsignedChain,
} from "#shared/audit/checkpoint.ts";
import {
  findNewestCheckpoint,
  insertCheckpoint,
  listHeads,
  readLinksBehind,
} from "../repositories/audit-checkpoints.ts";
import { isUniqueViolation } from "../repositories/database-errors.ts";
import { type ChainFault, recordFaults } from "./audit-faults.ts";
import { auditRecord, SYSTEM_CALLER } from "./audit-record.ts";
import { applyCut, findCut } from "./audit-retention.ts";
import { openCheckpoint, signCheckpoint } from "./audit-signer.ts";
import type { ServiceContext } from "./context.ts";

/**
 * Makes a checkpoint when a chain has grown since the last one.
 *
 * @throws {Error} when the trail is not what was stored, after the sound chains were signed.
 */
export async function makeCheckpoint(
  context: ServiceContext,
): Promise<{ readonly again: boolean }> {
  const before = await readNewest(context);
  const signed = new Map(before?.chains.map((chain) => [chain.writer, chain]));
  const heads = await readAllHeads(context);
  const faults = judgeHeads(signed, heads);
  const checked = await checkLinks(context, signed, heads);
  const cut = await findCut(context);
  const chains = applyCut([...signed.values()], cut).filter(({ seq }) => seq > 0);
  const known = before?.chains ?? [];
  if (JSON.stringify(chains) !== JSON.stringify(known)) {
    await store(context, (before?.number ?? 0) + 1, { chains, known, cut });
  }
  await recordFaults(context, [...faults, ...checked.faults]);
  return { again: !checked.complete };
}

/**
 * What the newest checkpoint says. One of a key that is not known any more says nothing, and all is
 * checked from its beginning.
 */
async function readNewest(context: ServiceContext): Promise<CheckpointClaims | null> {
  const row = await findNewestCheckpoint(context.database);
  if (row === null) {
    return null;
  }
  const opened = await openCheckpoint(context, row.jws);
  const altered = opened.ok ? opened.value.number !== row.number : opened.error === "invalid";
  if (altered) {
    throw new Error(`The audit checkpoint ${row.number} was altered; verify the audit trail.`);
  }
  return opened.ok ? opened.value : { iss: "", number: row.number, atMs: row.atMs, chains: [] };
}

async function readAllHeads({ database }: ServiceContext): Promise<ChainHead[]> {
  const heads: ChainHead[] = [];
  for (;;) {
    const afterWriter = heads.at(-1)?.writer ?? "";
    const page = await listHeads(database, { afterWriter, limit: HEADS_AT_ONCE });
    heads.push(...page);
    if (page.length < HEADS_AT_ONCE) {
      return heads;
    }
  }
}

/** A chain that was signed cannot become shorter, and cannot vanish. */
function judgeHeads(
  signed: ReadonlyMap<string, SignedChain>,
  heads: readonly ChainHead[],
): ChainFault[] {
  const seqs = new Map(heads.map(({ writer, seq }) => [writer, seq]));
  return [...signed.values()]
    .filter(({ writer, seq }) => (seqs.get(writer) ?? 0) < seq)
    .map(({ writer, seq }) => ({ writer, seq }));
}

/** Follows every chain that has grown and moves what is to be signed of it, a bounded way. */
async function checkLinks(
  { database }: ServiceContext,
  signed: Map<string, SignedChain>,
  heads: readonly ChainHead[],
): Promise<{ readonly faults: readonly ChainFault[]; readonly complete: boolean }> {
  const faults: ChainFault[] = [];
  const stateOf = (writer: string): SignedChain => signed.get(writer) ?? unsignedChain(writer);
  let behind = heads.filter(({ writer, seq }) => seq > stateOf(writer).seq);
  for (let round = 0; behind.length > 0; round += 1) {
    if (round === ROUNDS_MAX) {
      return { faults, complete: false };
    }
    const group = behind.slice(0, CHAINS_AT_ONCE);
    const states = group.map(({ writer }) => stateOf(writer));
    const lists = await readLinksBehind(database, states, LINKS_AT_ONCE);
    const broken = new Set<string>();
    for (const [index, state] of states.entries()) {
      const links = lists[index] ?? [];
      const { head, misfit } = await followLinks(state, links);
      signed.set(head.writer, { ...state, seq: head.seq, hash: head.hash });
      if (misfit !== null || links.length === 0) {
        faults.push({ writer: head.writer, seq: head.seq + 1 });
        broken.add(head.writer);
      }
    }
    behind = behind.filter(({ writer, seq }) => seq > stateOf(writer).seq && !broken.has(writer));
  }
  return { faults, complete: true };
}

/** That events may be deleted from now on is itself recorded, with the checkpoint that says so. */
async function store(
  context: ServiceContext,
  number: number,
  made: {
    readonly chains: readonly SignedChain[];
    readonly known: readonly SignedChain[];
    readonly cut: CheckpointClaims | null;
  },
): Promise<void> {
  const atMs = context.nowMs();
  const { chains, known, cut } = made;
  const claims = { iss: context.settings.publicUrl, number, atMs, chains: [...chains] };
  const row = { number, atMs, jws: await signCheckpoint(context, claims) };
  const audits =
    cut === null || sumOfCuts(chains) === sumOfCuts(known)
      ? []
      : [auditRecord(context, SYSTEM_CALLER, cutEvent(cut))];
  try {
    await insertCheckpoint(context.database, row, audits);
  } catch (error) {
    // Another run of this job was faster.
    if (!isUniqueViolation(error)) {
      throw error;
    }
  }
}

function cutEvent(cut: CheckpointClaims): AuditEvent {
  const data = { before: new Date(cut.atMs).toISOString(), checkpoint: cut.number };
  return { type: "audit.retention-applied", data };
}

function sumOfCuts(chains: readonly SignedChain[]): number {
  return chains.reduce((sum, { cutSeq }) => sum + cutSeq, 0);
}

const HEADS_AT_ONCE = 1_000;
/** Chains and links of one round trip: some megabytes at the most. */
const CHAINS_AT_ONCE = 16;
const LINKS_AT_ONCE = 100;
/** Some ten thousand links, which takes seconds; what is left is signed by the next run. */
const ROUNDS_MAX = 200;
