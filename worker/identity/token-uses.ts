/**
 * Which uses of an API token are worth a note, and which the audit trail tells of: the first one of
 * each address in an hour. Pure; bounded in what it keeps and in what it tells.
 */
import { z } from "zod";

export interface TokenUse {
  /** Null where no address is known. */
  readonly address: string | null;
  readonly atMs: number;
}

export interface UseVerdict {
  /** The uses that were told within the hour, with this one if it is to be told. */
  readonly told: readonly TokenUse[];
  /** Whether the audit trail is to tell of this use. */
  readonly isNews: boolean;
  /** Whether anything is to be written. */
  readonly isNoted: boolean;
}

/** @param told what was told of before, the oldest first */
export function judgeUse(
  told: readonly TokenUse[],
  last: { readonly atMs: number | null },
  use: TokenUse,
): UseVerdict {
  const within = told.filter(({ atMs }) => use.atMs - atMs < TOLD_EVERY_MS);
  const isKnown = within.some(({ address }) => address === use.address);
  const isNews = !isKnown && within.length < ADDRESSES_TOLD_MAX;
  const isNoted = isNews || last.atMs === null || use.atMs - last.atMs >= NOTED_EVERY_MS;
  return { told: isNews ? [...within, use] : within, isNews, isNoted };
}

export function writeUses(uses: readonly TokenUse[]): string {
  return JSON.stringify(uses);
}

/** What was written; nothing when it is not what this file writes. */
export function readUses(text: string): readonly TokenUse[] {
  try {
    return usesSchema.parse(JSON.parse(text));
  } catch {
    return [];
  }
}

const usesSchema = z.array(z.object({ address: z.string().nullable(), atMs: z.number() }));

const TOLD_EVERY_MS = 60 * 60 * 1000;
const NOTED_EVERY_MS = 60 * 1000;
/** A token that goes around the world in an hour has been told of often enough. */
const ADDRESSES_TOLD_MAX = 16;
