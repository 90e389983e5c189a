/**
 * Who may do what with which console, said a second time in the plainest way: every rule is held
 * against every console. What the database keeps in indexes is compared with this.
 */
import type { AccessLevel } from "../../worker/identity/access-level.ts";

export interface ReferenceConsole {
  readonly id: string;
  readonly name: string;
  readonly source: string;
  readonly project: string | null;
  readonly tags: readonly string[];
  /** Its own; null: its source's. */
  readonly siteId: string | null;
}

export interface ReferenceRule {
  /** A user's or a group's id, or `everyone`. */
  readonly subject: string;
  readonly match: {
    readonly consoleId?: string | undefined;
    readonly source?: string | undefined;
    readonly project?: string | undefined;
    readonly tag?: string | undefined;
    readonly name?: string | undefined;
  };
  readonly level: AccessLevel;
}

export interface ReferenceWorld {
  readonly consoles: readonly ReferenceConsole[];
  readonly rules: readonly ReferenceRule[];
  /** Of each group the users in it. */
  readonly members: ReadonlyMap<string, ReadonlySet<string>>;
}

/** The highest level that any rule gives the user of the console. */
export function grantedTo(
  world: ReferenceWorld,
  userId: string,
  console: ReferenceConsole,
): AccessLevel | null {
  const levels = world.rules
    .filter(({ subject }) => isOf(world, subject, userId))
    .filter(({ match }) => matches(match, console))
    .map(({ level }) => level);
  return (["own", "open", "view"] as const).find((level) => levels.includes(level)) ?? null;
}

/** By name and then id, as the database compares texts: by their bytes. */
export function inListOrder(consoles: readonly ReferenceConsole[]): ReferenceConsole[] {
  return [...consoles].sort(
    (left, right) =>
      Buffer.compare(Buffer.from(left.name), Buffer.from(right.name)) ||
      Buffer.compare(Buffer.from(left.id), Buffer.from(right.id)),
  );
}

/** `*` is any text, `?` any one character, everything else is itself. */
export function matchesPattern(pattern: readonly string[], name: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) {
    return name.length === 0;
  }
  if (first === "*") {
    return (
      name.some((_, taken) => matchesPattern(rest, name.slice(taken))) || matchesPattern(rest, [])
    );
  }
  return (
    name.length > 0 && (first === "?" || first === name[0]) && matchesPattern(rest, name.slice(1))
  );
}

function isOf(world: ReferenceWorld, subject: string, userId: string): boolean {
  return (
    subject === "everyone" || subject === userId || world.members.get(subject)?.has(userId) === true
  );
}

function matches(match: ReferenceRule["match"], console: ReferenceConsole): boolean {
  const { consoleId, source, project, tag, name } = match;
  return (
    (consoleId === undefined || consoleId === console.id) &&
    (source === undefined || source === console.source) &&
    (project === undefined || project === console.project) &&
    (tag === undefined || console.tags.includes(tag)) &&
    (name === undefined || matchesPattern(Array.from(name), Array.from(console.name)))
  );
}
