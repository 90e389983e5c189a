/**
 * What a statement can fail with: a code that the client library hands to the program, and a
 * sentence. Thrown inside this folder, and turned into an answer in one place (run-pipeline.ts).
 */

/** A failure that is answered to the client; everything else that is thrown is a bug of ours. */
export class SqlFailure extends Error {
  override readonly name = "SqlFailure";
  /** SQLite's extended name such as `SQLITE_CONSTRAINT_UNIQUE`, or a code of the protocol. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** The native library's error as a SqlFailure; anything else comes back as it was. */
export function sqlFailureFrom(error: unknown): unknown {
  // Why by shape: rows that fail half-way are not wrapped in the library's own error class.
  if (error instanceof Error && "code" in error && typeof error.code === "string") {
    return error instanceof SqlFailure ? error : new SqlFailure(error.code, error.message);
  }
  return error;
}

/** Whether any form of "somebody else has the lock" stopped the statement. */
export function isBusy(error: unknown): boolean {
  return error instanceof SqlFailure && /^SQLITE_BUSY(?:_|$)/.test(error.code);
}

/** Whether waiting can help: a stale snapshot stays stale however long one waits. */
export function isWorthRetrying(error: unknown): boolean {
  return isBusy(error) && error instanceof SqlFailure && error.code !== "SQLITE_BUSY_SNAPSHOT";
}
