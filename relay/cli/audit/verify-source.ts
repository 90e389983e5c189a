/** Feeds a trail to the verifier, its checkpoints' signatures judged first. */
import { compactVerify, importJWK } from "jose";
import { readAuditLine } from "#shared/audit/audit-line.ts";
import type { ChainHead } from "#shared/audit/chain.ts";
import {
  CHECKPOINT_ALGORITHM,
  CHECKPOINT_TYPE,
  type CheckpointClaims,
  parseCheckpointClaims,
} from "#shared/audit/checkpoint.ts";
import type { TrailKeys, TrailLine } from "#shared/audit/trail-file.ts";
import { type TrailReport, TrailVerifier } from "#shared/audit/verify-trail.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { type CliFailure, failed } from "../command.ts";
import type { TrailSource } from "./trail-sources.ts";

export interface VerifyOptions {
  /** Keys that the caller trusts; null trusts those that the trail names itself. */
  readonly keys: TrailKeys["keys"] | null;
  /** What somebody kept of the chains, and where. */
  readonly anchors: readonly { readonly head: ChainHead; readonly source: string }[];
}

export interface SourceReport extends TrailReport {
  /** Events that wait to be put into a chain. */
  readonly unchainedCount: number;
}

/** The report, or why the trail could not be read to its end. */
export async function verifySource(
  source: TrailSource,
  options: VerifyOptions,
): Promise<Result<SourceReport, CliFailure>> {
  let verifying: Verifying | null = null;
  for await (const line of source) {
    if (!line.ok) {
      return line;
    }
    if ("trail" in line.value) {
      verifying = begin(line.value.trail, options);
    } else if (verifying !== null) {
      await addLine(verifying, line.value);
    }
  }
  return verifying === null
    ? fail(failed("There is no trail."))
    : ok({ ...verifying.verifier.finish(), unchainedCount: verifying.unchained });
}

interface Verifying {
  readonly verifier: TrailVerifier;
  readonly keys: TrailKeys["keys"];
  readonly unchained: number;
}

function begin(trail: TrailKeys, options: VerifyOptions): Verifying {
  const verifier = new TrailVerifier(trail.issuer);
  for (const { head, source } of options.anchors) {
    verifier.addHead(head, source);
  }
  return { verifier, keys: options.keys ?? trail.keys, unchained: trail.unchained };
}

async function addLine(
  { verifier, keys }: Verifying,
  line: Exclude<TrailLine, { trail: TrailKeys }>,
): Promise<void> {
  if ("checkpoint" in line) {
    const { number, jws } = line.checkpoint;
    const claims = await openCheckpoint(jws, keys);
    if (claims?.number === number) {
      verifier.addCheckpoint(claims);
    } else {
      verifier.addBadCheckpoint(`checkpoint ${number}`, "is not signed by a key that is trusted");
    }
  } else if ("head" in line) {
    verifier.addHead(line.head, "the table of chains");
  } else {
    await verifier.addEvent(readAuditLine(line));
  }
}

async function openCheckpoint(
  jws: string,
  keys: TrailKeys["keys"],
): Promise<CheckpointClaims | null> {
  try {
    const { payload, protectedHeader } = await compactVerify(
      jws,
      async ({ kid }) => await importKey(keys, kid),
      { algorithms: [CHECKPOINT_ALGORITHM] },
    );
    return protectedHeader.typ === CHECKPOINT_TYPE ? parseCheckpointClaims(payload) : null;
  } catch {
    return null;
  }
}

async function importKey(keys: TrailKeys["keys"], kid: string | undefined) {
  const key = keys.find((known) => known.kid === kid);
  if (key === undefined) {
    throw new Error("no such key");
  }
  return await importJWK(key, CHECKPOINT_ALGORITHM);
}
