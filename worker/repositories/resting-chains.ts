/**
 * The chains that this isolate wrote to and that none of its requests uses now, with where they
 * ended then. Whoever takes one need not ask the database where it ends, which saves each change a
 * round trip. If another isolate has moved it on, the batch stores nothing and is made anew.
 *
 * This is a hint that outlives requests, and nothing else: no decision rests on it.
 */
import type { ChainHead } from "#shared/audit/chain.ts";

/** Takes the chain that was used last, or null when there is none. */
export function takeRestingChain(): ChainHead | null {
  return RESTING.pop() ?? null;
}

/** Gives back a chain whose end is known. */
export function restChain(head: ChainHead): void {
  const other = RESTING.findIndex(({ writer }) => writer === head.writer);
  if (other !== -1) {
    RESTING.splice(other, 1);
  }
  RESTING.push(head);
}

/** As many as there are shared writers, at most: each is in it once. */
const RESTING: ChainHead[] = [];
