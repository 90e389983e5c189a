/** Times that something was last heard of, in the memory of this isolate. */

/** Deletes what is older than so many milliseconds, or, after the clock was turned back, to come. */
export function forgetOlder<Key>(times: Map<Key, number>, nowMs: number, ageMs: number): void {
  for (const [key, atMs] of times) {
    if (nowMs - atMs >= ageMs || atMs > nowMs) {
      times.delete(key);
    }
  }
}
