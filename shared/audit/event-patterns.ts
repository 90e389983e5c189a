/**
 * Types of events as people ask for them: a type such as `session.opened`, a family such as
 * `session.*`, or `*` for all.
 */

const ONE = String.raw`(?:\*|[a-z][a-z0-9-]*\.(?:\*|[a-z][a-z0-9-]*))`;

export const EVENT_PATTERN = new RegExp(`^${ONE}$`);

/** Several of them, by comma. */
export const EVENT_PATTERN_LIST = new RegExp(`^${ONE}(?:,${ONE})*$`);

/** Whether any of the patterns asks for that type. */
export function asksForType(patterns: readonly string[], type: string): boolean {
  return patterns.some(
    (pattern) =>
      pattern === "*" ||
      pattern === type ||
      (pattern.endsWith(".*") && type.startsWith(pattern.slice(0, -1))),
  );
}
