/** Times of one thing that was done several times, in milliseconds. */
export interface Figure {
  readonly count: number;
  readonly minMs: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
}

export function figureOf(elapsedMs: readonly number[]): Figure {
  const sorted = elapsedMs.toSorted((left, right) => left - right);
  const at = (share: number): number => {
    const index = Math.min(sorted.length - 1, Math.floor(sorted.length * share));
    return Math.round((sorted[index] ?? 0) * 10) / 10;
  };
  return { count: sorted.length, minMs: at(0), p50Ms: at(0.5), p95Ms: at(0.95) };
}
