/**
 * How far a user's right to one console goes, and to whom such a right is granted. Levels are
 * ordered: whoever holds one holds those below it. Pure.
 */
export const ACCESS_LEVELS = ["view", "open", "own"] as const;

/** `view`: may see it. `open`: may open it too. `own`: may share it and end its sessions too. */
export type AccessLevel = (typeof ACCESS_LEVELS)[number];

export const SUBJECT_KINDS = ["user", "group", "everyone"] as const;

export type SubjectKind = (typeof SUBJECT_KINDS)[number];

/** As it is stored, so that the highest of several is their maximum; 0 is none. */
export function rankOf(level: AccessLevel | null): number {
  return level === null ? 0 : ACCESS_LEVELS.indexOf(level) + 1;
}

/** The level of a stored rank; null for none. */
export function levelOfRank(rank: number): AccessLevel | null {
  return ACCESS_LEVELS[rank - 1] ?? null;
}

/** Whether `held` goes as far as `wanted`. */
export function reaches(held: AccessLevel | null, wanted: AccessLevel): boolean {
  return rankOf(held) >= rankOf(wanted);
}
