/** What a series of measurements comes to. */

/** The value below which `share` (0 to 1) of the series lies; NaN for an empty one. */
export function percentile(series: readonly number[], share: number): number {
  const sorted = series.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function median(series: readonly number[]): number {
  return percentile(series, 0.5);
}

/** Rounded, because further digits would claim what was not measured. */
export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
