/** Tells the database's failures apart, through drizzle's wrapping. */

/** Thrown by the connection (database.ts) when the database server cannot be reached or is ill. */
export class DatabaseUnavailableError extends Error {
  override readonly name = "DatabaseUnavailableError";
}

/** Whether a row with that key exists already. Links of the audit trail are nobody's keys. */
export function isUniqueViolation(error: unknown): boolean {
  return hasCause(
    error,
    (cause) => violates(cause, /UNIQUE constraint/i) && !CHAIN_RACE.test(messageOf(cause)),
  );
}

/** Whether a row would break a rule that its table states, such as that a link has uses left. */
export function isCheckViolation(error: unknown): boolean {
  return hasCause(
    error,
    (cause) =>
      codeOf(cause).startsWith("SQLITE_CONSTRAINT") && /CHECK constraint/i.test(messageOf(cause)),
  );
}

/** Whether another writer has moved the audit chain on; nothing was stored. */
export function isChainRaced(error: unknown): boolean {
  return hasCause(error, (cause) => violates(cause, CHAIN_RACE));
}

/** Whether the database is away, or too busy to have done it, so that trying again can help. */
export function isDatabaseUnavailable(error: unknown): boolean {
  return (
    isChainRaced(error) ||
    hasCause(
      error,
      (cause) => cause instanceof DatabaseUnavailableError || TRANSIENT_CODE.test(codeOf(cause)),
    )
  );
}

function violates(error: Error, pattern: RegExp): boolean {
  return codeOf(error).startsWith("SQLITE_CONSTRAINT") && pattern.test(messageOf(error));
}

function hasCause(error: unknown, judge: (cause: Error) => boolean): boolean {
  let cause = error;
  for (let depth = 0; cause instanceof Error && depth < CAUSES_MAX; depth += 1) {
    if (judge(cause)) {
      return true;
    }
    cause = cause.cause;
  }
  return false;
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "";
}

function messageOf(error: Error): string {
  return error.message;
}

/** A chain of causes is short; a circular one must not hold the request. */
const CAUSES_MAX = 8;

/** The guard of audit-chains.ts, or a link in the place where the next one belongs. */
const CHAIN_RACE = /constraint failed: audit_(?:chains\.seq|events\.writer)/i;

/** Another writer held the lock for too long, or the server gave our transaction up. */
const TRANSIENT_CODE = /^(?:SQLITE_BUSY(?:_[A-Z]+)?|STREAM_EXPIRED)$/;
