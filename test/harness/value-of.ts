import type { Result } from "#shared/base/result.ts";

/** What a test expects to succeed; it fails with the code otherwise. */
export function valueOf<Value>(result: Result<Value, { readonly code: string }>): Value {
  if (!result.ok) {
    throw new Error(result.error.code);
  }
  return result.value;
}
