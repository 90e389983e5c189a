/** Waits that always end: a promise with a deadline, and the one bounded retry of the tests. */

/**
 * The value of `promise`, or an error that says what did not happen.
 * @param what completes the sentence "… did not happen within … ms"
 */
export async function withDeadline<Value>(
  promise: Promise<Value>,
  timeoutMs: number,
  what: string | (() => string),
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const name = typeof what === "string" ? what : what();
      reject(new Error(`did not happen within ${timeoutMs} ms: ${name}`));
    }, timeoutMs);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Asks again until `probe` gives something other than null. Only for things that announce themselves
 * by no event, such as a pixel of somebody else's window.
 * @param what what is awaited, for the error
 */
export async function eventually<Value>(
  what: string,
  probe: () => Promise<Value | null> | Value | null,
  options: { readonly timeoutMs?: number; readonly intervalMs?: number } = {},
): Promise<Value> {
  const timeoutMs = options.timeoutMs ?? EVENTUALLY_TIMEOUT_MS;
  const givenUpAtMs = performance.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value !== null) {
      return value;
    }
    if (performance.now() > givenUpAtMs) {
      throw new Error(`did not happen within ${timeoutMs} ms: ${what}`);
    }
    await new Promise((resolve) => {
      setTimeout(resolve, options.intervalMs ?? EVENTUALLY_INTERVAL_MS);
    });
  }
}

const EVENTUALLY_TIMEOUT_MS = 10_000;
const EVENTUALLY_INTERVAL_MS = 25;
