/** U+0000: databases cut a text off there, or refuse it, so no text that comes in may hold one. */

/** Whether a text in this JSON holds one; JSON has it as an escape only. */
export function holdsZero(json: string): boolean {
  return ESCAPED_ZERO.test(json);
}

/** With an even number of backslashes before it, which stand for themselves. */
const ESCAPED_ZERO = /(?:^|[^\\])(?:\\\\)*\\u0000/;
