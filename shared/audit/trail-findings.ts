/** What is wrong with an audit trail, and where exactly. */

export const FINDING_KINDS = [
  /** The event is not the one that its hash was made of. */
  "edited",
  /** Links are not there, and later ones are. */
  "missing",
  /** The end of a chain is not there. */
  "truncated",
  /** A chain that a checkpoint names has no link left. */
  "chain-missing",
  /** The same link twice. */
  "duplicated",
  /** Two different links in one place. */
  "forked",
  /** A link that comes after a later one. */
  "misordered",
  /** The chain fits together and is not the one that was signed: its hashes were made anew. */
  "rewritten",
  /** A checkpoint whose signature or content is not the control plane's. */
  "bad-checkpoint",
  /** No valid checkpoint: nothing was ever signed, or all of it was taken away. */
  "unsigned",
] as const;

export type FindingKind = (typeof FINDING_KINDS)[number];

export interface Finding {
  readonly kind: FindingKind;
  /** Null where it is about no single chain. */
  readonly writer: string | null;
  /** The first and the last link that it is about; null with `writer`. */
  readonly fromSeq: number | null;
  readonly toSeq: number | null;
  /** One sentence for a person. */
  readonly detail: string;
}

/** Findings as they come: counted all, kept as far as somebody would read. */
export class Findings {
  readonly #kept: Finding[] = [];
  #count = 0;

  add(finding: Finding): void {
    this.#count += 1;
    if (this.#kept.length < FINDINGS_KEPT_MAX) {
      this.#kept.push(finding);
    }
  }

  get kept(): readonly Finding[] {
    return this.#kept;
  }

  get count(): number {
    return this.#count;
  }
}

const FINDINGS_KEPT_MAX = 200;
