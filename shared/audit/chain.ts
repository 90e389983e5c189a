/**
 * The audit trail's chains: each event is a link whose hash covers its place, everything that is
 * stored of it, and the hash of the link before, so that no link can be changed, taken out, put in
 * or moved without breaking every hash behind it.
 *
 * There are many chains, one a writer, so that writers need not wait for each other: each relay has
 * one for what it reports, and everything else goes to one of a few.
 *
 * A hash proves nothing against somebody who computes all later ones anew. That is what signed
 * checkpoints are for (checkpoint.ts).
 */
import { toBase64Url, utf8 } from "#shared/base/bytes.ts";
import type { StoredAuditEvent } from "./stored-event.ts";

/** Where a chain stands: its last link. */
export interface ChainHead {
  readonly writer: string;
  /** 0: it has no links yet. */
  readonly seq: number;
  readonly hash: string;
}

/** What a link is made of, all but the hash. */
export type ChainLink = Omit<StoredAuditEvent, "seq" | "hash"> & { readonly seq: number };

/** The hash before the first link. */
export const CHAIN_START = "";

/** The chain of events that were stored by a version without chains. */
export const LEGACY_WRITER = "legacy";

/** A chain without links. */
export function emptyChain(writer: string): ChainHead {
  return { writer, seq: 0, hash: CHAIN_START };
}

/** The link's hash: base64url of 32 bytes. `previous` is the hash of the link before. */
export async function hashLink(previous: string, link: ChainLink): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", utf8(canonicalLink(previous, link)));
  return toBase64Url(new Uint8Array(digest));
}

/**
 * Follows the links that come behind a head. The value is the last one that fits, and what does not
 * fit behind it: null when all did.
 */
export async function followLinks(
  head: ChainHead,
  links: readonly StoredAuditEvent[],
): Promise<{ readonly head: ChainHead; readonly misfit: StoredAuditEvent | null }> {
  let { writer, seq, hash } = head;
  for (const link of links) {
    const follows = link.writer === writer && link.seq === seq + 1;
    if (!follows || link.hash !== (await hashLink(hash, { ...link, seq: seq + 1 }))) {
      return { head: { writer, seq, hash }, misfit: link };
    }
    ({ seq, hash } = { seq: seq + 1, hash: link.hash });
  }
  return { head: { writer, seq, hash }, misfit: null };
}

/**
 * What is hashed: one JSON array without white space. JSON keeps the fields apart whatever is in
 * them, and every language can write it. Its form is for ever; another one needs another name.
 */
function canonicalLink(previous: string, link: ChainLink): string {
  return JSON.stringify([
    FORM,
    previous,
    link.writer,
    link.seq,
    link.id,
    link.atMs,
    link.type,
    link.actorKind,
    link.actorId,
    link.address,
    link.requestId,
    link.consoleId,
    link.sessionId,
    link.relayId,
    link.subjectId,
    link.data,
  ]);
}

const FORM = "kerbside-audit-1";
