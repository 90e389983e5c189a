/** Bounds a wait. What was waited for goes on; only nobody waits for it any more. */

/** Thrown when the wait took too long. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

/** @throws {DeadlineError} when `work` did not settle within `deadlineMs`. */
export async function withDeadline<Value>(
  work: Promise<Value>,
  deadlineMs: number,
): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new DeadlineError(`no answer within ${deadlineMs} ms`));
    }, deadlineMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
