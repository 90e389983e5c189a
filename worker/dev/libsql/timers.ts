/**
 * The clock and the timers that the embedded database server uses, as a port: tests advance time
 * themselves. The system's timers never keep the process alive.
 */

/** Stops a timer; harmless when it has fired. */
export type CancelTimer = () => void;

export interface Timers {
  /** Milliseconds on a clock that only moves forward. */
  nowMs(): number;
  /** Calls `callback` once after `delayMs`. */
  after(delayMs: number, callback: () => void): CancelTimer;
}

export const systemTimers: Timers = {
  nowMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs).unref();
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs`; rejects with the signal's reason when it is aborted first. */
export async function waitFor(timers: Timers, delayMs: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const cancel = timers.after(delayMs, resolve);
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await promise;
  } finally {
    cancel();
    signal.removeEventListener("abort", onAbort);
  }
}
