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
import { type AuditKeyring, readKeyring, sealKeyring } from "./audit-keyring.ts";
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
  const keyring = await readTrustedKeys(context);
  const before = await readNewest(context, keyring);
  const signed = new Map(before?.chains.map((chain) => [chain.writer, chain]));
  const heads = await readAllHeads(context);
  const faults = judgeHeads(signed, heads);
  const checked = await checkLinks(context, signed, heads);
  const cut = await findCut(context);
  const chains = applyCut([...signed.values()], cut).filter(({ seq }) => seq > 0);
  const known = before?.chains ?? [];
  if (JSON.stringify(chains) !== JSON.stringify(known)) {
    await store(context, keyring, { chains, known, cut });
  }
  await recordFaults(context, [...faults, ...checked.faults]);
  return { again: !checked.complete };
}

async function readTrustedKeys(context: ServiceContext): Promise<AuditKeyring> {
  const keyring = await readKeyring(context);
  if (!keyring.ok) {
    throw new Error("The audit keyring was altered, or was sealed with a key that is gone.");
  }
  return keyring.value;
}

/** What the newest checkpoint says, which has to be the one that the keyring knows of. */
async function readNewest(
  context: ServiceContext,
  keyring: AuditKeyring,
): Promise<CheckpointClaims | null> {
  const row = await findNewestCheckpoint(context.database);
  if ((row?.number ?? 0) !== keyring.newest) {
    throw new Error(
      `The newest audit checkpoint is not ${keyring.newest}: checkpoints were removed or added.`,
    );
  }
  if (row === null) {
    return null;
  }
  const claims = await openCheckpoint(keyring.keys, context.settings.publicUrl, row.jws);
  if (claims?.number !== row.number) {
    throw new Error(`The audit checkpoint ${row.number} was altered; verify the audit trail.`);
  }
  return claims;
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
  keyring: AuditKeyring,
  made: {
    readonly chains: readonly SignedChain[];
    readonly known: readonly SignedChain[];
    readonly cut: CheckpointClaims | null;
  },
): Promise<void> {
  const { chains, known, cut } = made;
  const [number, atMs] = [keyring.newest + 1, context.nowMs()];
  const claims = { iss: context.settings.publicUrl, number, atMs, chains: [...chains] };
  const { jws, key } = await signCheckpoint(context, claims);
  const keys = [key, ...keyring.keys.filter(({ kid }) => kid !== key.kid)];
  const sealedKeyring = await sealKeyring(context, { keys, newest: number });
  const audits =
    cut === null || sumOfCuts(chains) === sumOfCuts(known)
      ? []
      : [auditRecord(context, SYSTEM_CALLER, cutEvent(cut))];
  try {
    const row = { number, atMs, jws };
    await insertCheckpoint(context.database, { row, sealedKeyring }, audits);
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
