/** Assertions guard against our own bugs, never against what a peer sends. */

/** Thrown when the program contradicts itself. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** @throws {AssertionError} when `condition` is false: a bug of ours, not bad input. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) {
    throw new AssertionError(message);
  }
}

/** Makes a switch total: compiles only when every case was handled. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`);
}
