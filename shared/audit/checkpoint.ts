/**
 * Checkpoints of the audit trail: a signed list of where every chain ended at a time. Whoever has
 * one can tell whether anything before it was changed or taken away since, a whole chain included;
 * who can write to the database alone cannot make one. The control plane signs a chain no further
 * than it has checked it itself from the checkpoint before, so that each one proves all that the
 * older ones did.
 *
 * A chain that retention has shortened also has its cut: links up to there may be missing, and the
 * chain goes on from that hash.
 *
 * On the wire: a compact JWS (EdDSA) with the header `typ` below, over the claims as JSON.
 */
import { z } from "zod";
import { CHAIN_START } from "./chain.ts";

export const CHECKPOINT_TYPE = "kerbside-audit-checkpoint+jws";
export const CHECKPOINT_ALGORITHM = "EdDSA";

const seq = z.int().nonnegative();
const hash = z.string().max(64);

const signedChainSchema = z.object({
  writer: z.string().max(128),
  /** Its last link. */
  seq,
  hash,
  /** The last link that retention may take away; 0 and the chain's start when there is none. */
  cutSeq: seq,
  cutHash: hash,
});

/** What a checkpoint says of one chain. */
export type SignedChain = z.infer<typeof signedChainSchema>;

export const checkpointClaimsSchema = z.object({
  /** Whose trail it is: the control plane's public URL. */
  iss: z.string(),
  /** From 1, in the order of time; older ones are thinned out. */
  number: z.int().positive(),
  /** Milliseconds since 1970, by the control plane's clock. */
  atMs: z.int(),
  chains: z.array(signedChainSchema),
});

export type CheckpointClaims = z.infer<typeof checkpointClaimsSchema>;

/** What there is to say of a chain that no checkpoint has named. */
export function unsignedChain(writer: string): SignedChain {
  return { writer, seq: 0, hash: CHAIN_START, cutSeq: 0, cutHash: CHAIN_START };
}

/** The claims that a verified signature was over; null when they are of another form. */
export function parseCheckpointClaims(payload: Uint8Array): CheckpointClaims | null {
  try {
    const parsed = checkpointClaimsSchema.safeParse(JSON.parse(new TextDecoder().decode(payload)));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
