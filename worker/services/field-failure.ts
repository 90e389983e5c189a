/** Failures that say which of the caller's fields they are about. */
import type { Failure } from "#shared/errors/catalogue.ts";

/** A field of the request that is not as it must be. */
export interface FieldError {
  /** Path in the body or name of the parameter, such as `items.0.name`; empty for the whole. */
  readonly field: string;
  readonly message: string;
}

export interface FieldFailure extends Failure {
  readonly fields?: readonly FieldError[];
  /** When trying again can help, in seconds. */
  readonly retryAfterS?: number;
}

/** `request.invalid` for one field. */
export function invalidField(field: string, message: string): FieldFailure {
  return { code: "request.invalid", detail: "", fields: [{ field, message }] };
}
