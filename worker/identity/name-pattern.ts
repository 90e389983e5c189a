/**
 * Patterns of consoles' names: `*` is any text, `?` any one character, everything else is itself,
 * capitals too. Stored as SQLite's GLOB, which knows sets in brackets besides. Pure.
 */

/** The pattern as GLOB: a bracket that is itself is a set of one. */
export function toGlob(pattern: string): string {
  return pattern.replaceAll("[", "[[]").replaceAll(/\*+/g, "*");
}

/** The pattern that was stored as this. */
export function fromGlob(glob: string): string {
  return glob.replaceAll("[[]", "[");
}

/** Matches every name; a rule with it says nothing about names. */
export const ANY_NAME = "*";
