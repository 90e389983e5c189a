/**
 * What is claimed of one chain: that a certain link had a certain hash. Checkpoints claim it with a
 * signature; the table of heads, and whoever kept an export or a webhook's message, without one.
 */
import type { ChainHead } from "./chain.ts";

export interface Claim {
  readonly seq: number;
  readonly hash: string;
  /** Who says so, for a sentence: "checkpoint 12". */
  readonly source: string;
}

/** The claims of one chain by their place. Bounded: of very many, every second older one is let go. */
export class ChainClaims {
  #claims: Claim[] = [];

  /** Claims may come in any order; of several about one link, differing ones are all kept. */
  add(head: Pick<ChainHead, "seq" | "hash">, source: string): void {
    const { seq, hash } = head;
    if (seq === 0 || this.#claims.some((claim) => claim.seq === seq && claim.hash === hash)) {
      return;
    }
    this.#claims.push({ seq, hash, source });
    this.#claims.sort((left, right) => left.seq - right.seq);
    if (this.#claims.length > CLAIMS_MAX) {
      // The newest claim proves what the older ones did; those only tell more exactly since when.
      const newest = this.#claims.length - 1;
      this.#claims = this.#claims.filter((_, index) => index === newest || index % 2 === 1);
    }
  }

  at(seq: number): readonly Claim[] {
    return this.#claims.filter((claim) => claim.seq === seq);
  }

  /** The claim that reaches farthest. */
  get last(): Claim | null {
    return this.#claims.at(-1) ?? null;
  }
}

const CLAIMS_MAX = 64;
