/**
 * A whole audit trail in one file, to be verified anywhere: one JSON object a line. First whose
 * trail it is and with which keys its checkpoints are signed, then the checkpoints, the heads of
 * the chains, and the events in the order of their chains.
 */
import { z } from "zod";
import { auditLineSchema } from "./audit-line.ts";

export const publicKeySchema = z.object({
  kty: z.literal("OKP"),
  crv: z.literal("Ed25519"),
  x: z.string(),
  kid: z.string(),
});

export const trailKeysSchema = z.object({
  issuer: z.string(),
  keys: z.array(publicKeySchema),
  /** Events that wait to be put into a chain; some thousand stand for more. */
  unchained: z.int(),
});

export type TrailKeys = z.infer<typeof trailKeysSchema>;

export const checkpointLineSchema = z.object({ number: z.int(), at: z.string(), jws: z.string() });

export const headLineSchema = z.object({ writer: z.string(), seq: z.int(), hash: z.string() });

/** One line of the file; events are the lines without a name around them. */
export const trailLineSchema = z.union([
  z.object({ trail: trailKeysSchema }),
  z.object({ checkpoint: checkpointLineSchema }),
  z.object({ head: headLineSchema }),
  auditLineSchema,
]);

export type TrailLine = z.infer<typeof trailLineSchema>;
