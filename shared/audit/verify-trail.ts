/**
 * Verifies an audit trail: fed with everything that is known of it, link by link, it tells what was
 * changed, taken away, put in or made anew, and where. Pure, and bounded in memory however long the
 * trail is: it keeps a few claims and the last link of each chain.
 *
 * The order of feeding: checkpoints in the order of their numbers, heads and anchors, then the
 * links, of each chain from its first to its last. What is claimed of a chain has to be read before
 * its links are, or links that are stored in between would seem to be missing.
 */
import { ChainClaims } from "./chain-claims.ts";
import { CHAIN_START, type ChainHead, hashLink } from "./chain.ts";
import type { CheckpointClaims } from "./checkpoint.ts";
import type { StoredAuditEvent } from "./stored-event.ts";
import { type Finding, type FindingKind, Findings } from "./trail-findings.ts";

export interface TrailReport {
  readonly findings: readonly Finding[];
  /** Of all findings, also those that are not listed. */
  readonly findingCount: number;
  readonly chainCount: number;
  readonly linkCount: number;
  /** Links behind the newest checkpoint: their end could be cut off without a trace. */
  readonly unsignedCount: number;
  readonly newestCheckpoint: { readonly number: number; readonly atMs: number } | null;
}

export class TrailVerifier {
  readonly #findings = new Findings();
  readonly #chains = new Map<string, Chain>();
  #newest: CheckpointClaims | null = null;
  #linkCount = 0;
  #unsignedCount = 0;

  /** Whose trail it is: checkpoints of others do not count. */
  readonly #issuer: string;

  constructor(issuer: string) {
    this.#issuer = issuer;
  }

  /** A checkpoint whose signature was found good. */
  addCheckpoint(claims: CheckpointClaims): void {
    const { number, atMs, chains } = claims;
    const fault =
      claims.iss === this.#issuer ? faultBehind(this.#newest, claims) : "is another one's";
    if (fault !== null) {
      this.addBadCheckpoint(`checkpoint ${number}`, fault);
      return;
    }
    const time = timeOf(atMs);
    for (const { writer, seq, hash, cutSeq, cutHash } of chains) {
      const chain = this.#chain(writer);
      chain.claims.add({ seq, hash }, `checkpoint ${number} of ${time}`);
      chain.signedSeq = seq;
      if (cutSeq > chain.cut.seq) {
        chain.cut = { writer, seq: cutSeq, hash: cutHash };
      }
    }
    this.#newest = claims;
  }

  /** A checkpoint that is not the control plane's. @param what "checkpoint 12". */
  addBadCheckpoint(what: string, fault: string): void {
    const detail = `${what} ${fault}`;
    this.#findings.add({
      kind: "bad-checkpoint",
      writer: null,
      fromSeq: null,
      toSeq: null,
      detail,
    });
  }

  /** Where a chain ended by a word that nobody signed. @param source who says so. */
  addHead(head: ChainHead, source: string): void {
    this.#chain(head.writer).claims.add(head, source);
  }

  /** The next link of its chain. */
  async addEvent(event: StoredAuditEvent): Promise<void> {
    const { writer, seq, hash } = event;
    if (seq === null || hash === null) {
      const detail = `event ${event.id} lost its place or its hash`;
      this.#find("edited", writer, [seq, seq], detail);
      return;
    }
    const chain = this.#chain(writer);
    this.#linkCount += 1;
    if (seq <= chain.cut.seq) {
      // Retention takes these away now or has already; what they were is signed by the cut.
      return;
    }
    this.#unsignedCount += seq > chain.signedSeq ? 1 : 0;
    const end = chain.end ?? { ...chain.cut, computed: chain.cut.hash };
    if (seq <= end.seq) {
      this.#addRepeated(chain, { writer, seq, hash }, end);
      return;
    }
    if (seq > end.seq + 1) {
      this.#find("missing", writer, [end.seq + 1, seq - 1], "the link is gone");
    }
    const computed = seq > end.seq + 1 ? hash : await this.#judgeLink({ ...event, seq, hash }, end);
    chain.end = { writer, seq, hash, computed };
    this.#judgeClaims(chain, { seq, hash, computed });
  }

  /** What was found, when everything was fed. */
  finish(): TrailReport {
    for (const [writer, chain] of this.#chains) {
      this.#judgeEnd(writer, chain);
    }
    if (this.#newest === null && this.#linkCount > 0) {
      const detail = "no valid checkpoint is there, so that nothing proves the chains";
      this.#findings.add({ kind: "unsigned", writer: null, fromSeq: null, toSeq: null, detail });
    }
    return {
      findings: this.#findings.kept,
      findingCount: this.#findings.count,
      chainCount: this.#chains.size,
      linkCount: this.#linkCount,
      unsignedCount: this.#unsignedCount,
      newestCheckpoint:
        this.#newest === null ? null : { number: this.#newest.number, atMs: this.#newest.atMs },
    };
  }

  #chain(writer: string): Chain {
    const known = this.#chains.get(writer);
    if (known !== undefined) {
      return known;
    }
    const cut = { writer, seq: 0, hash: CHAIN_START };
    const chain: Chain = { claims: new ChainClaims(), cut, signedSeq: 0, end: null, provenSeq: 0 };
    this.#chains.set(writer, chain);
    return chain;
  }

  /**
   * The hash that the link should have. It is judged by the stored hash of the link before; where
   * that one's hash alone was altered, by the one it should have had, so that one edit is one
   * finding.
   */
  async #judgeLink(
    event: StoredAuditEvent & { readonly seq: number; readonly hash: string },
    before: ChainEnd,
  ): Promise<string> {
    const computed = await hashLink(before.hash, event);
    if (computed === event.hash) {
      return computed;
    }
    const other = before.computed === before.hash ? null : await hashLink(before.computed, event);
    if (other !== event.hash) {
      const detail = `event ${event.id} does not fit the link before: it was changed, or that one`;
      this.#find("edited", event.writer, [event.seq, event.seq], detail);
    }
    return other === event.hash ? other : computed;
  }

  #addRepeated(chain: Chain, link: ChainHead, end: ChainEnd): void {
    const { writer, seq, hash } = link;
    const place: [number, number] = [seq, seq];
    if (chain.end === null || seq < end.seq) {
      this.#find("misordered", writer, place, "the link comes after later ones");
    } else if (hash === end.hash) {
      this.#find("duplicated", writer, place, "the link is there twice");
    } else {
      this.#find("forked", writer, place, "two different links are in one place");
    }
  }

  /** A link that was edited is told once; here it is told of chains that fit together. */
  #judgeClaims(
    chain: Chain,
    link: { readonly seq: number; readonly hash: string; readonly computed: string },
  ): void {
    const { seq, hash, computed } = link;
    for (const claim of chain.claims.at(seq)) {
      if (claim.hash === hash) {
        chain.provenSeq = seq;
      } else if (hash === computed && !chain.isRewritten) {
        chain.isRewritten = true;
        const detail = `${claim.source} has another hash for the last of them`;
        this.#find("rewritten", chain.cut.writer, [chain.provenSeq + 1, seq], detail);
      }
    }
  }

  #judgeEnd(writer: string, chain: Chain): void {
    const { last } = chain.claims;
    const endSeq = chain.end?.seq ?? chain.cut.seq;
    if (last === null || last.seq <= endSeq) {
      return;
    }
    const detail = `${last.source} reaches farther than what is there`;
    const kind = chain.end === null && chain.cut.seq === 0 ? "chain-missing" : "truncated";
    this.#find(kind, writer, [endSeq + 1, last.seq], detail);
  }

  #find(
    kind: FindingKind,
    writer: string,
    [fromSeq, toSeq]: readonly [number | null, number | null],
    detail: string,
  ): void {
    this.#findings.add({ kind, writer, fromSeq, toSeq, detail });
  }
}

interface ChainEnd extends ChainHead {
  /** The hash that the link should have; another one than `hash` where it was altered. */
  readonly computed: string;
}

interface Chain {
  readonly claims: ChainClaims;
  /** Links up to here may be gone. */
  cut: ChainHead;
  /** How far the newest checkpoint reaches. */
  signedSeq: number;
  /** The last link that was fed. */
  end: ChainEnd | null;
  /** The last link that a claim confirmed. */
  provenSeq: number;
  isRewritten?: boolean;
}

/** Why a checkpoint cannot follow the one before it, or null. */
function faultBehind(before: CheckpointClaims | null, claims: CheckpointClaims): string | null {
  if (before === null) {
    return null;
  }
  if (claims.number <= before.number || claims.atMs < before.atMs) {
    return `does not follow checkpoint ${before.number}`;
  }
  const seqs = new Map(claims.chains.map(({ writer, seq }) => [writer, seq]));
  const lost = before.chains.find(({ writer, seq }) => (seqs.get(writer) ?? -1) < seq);
  return lost === undefined
    ? null
    : `reaches less far than checkpoint ${before.number} in ${lost.writer}`;
}

function timeOf(atMs: number): string {
  // oxlint-disable-next-line no-restricted-globals -- writes a given time; reads no clock
  return new Date(atMs).toISOString();
}
