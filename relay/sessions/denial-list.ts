/**
 * The denials that this relay knows (shared/control/denials.ts): what is voided by them must neither
 * be held nor live. The control plane keeps them; a relay's list is as good as its last welcome, and
 * what it was pushed since.
 */
import {
  type Denial,
  DENIAL_SUBJECTS,
  type GrantSubjects,
  isVoidedBy,
  subjectId,
} from "#shared/control/denials.ts";

/** By subject, the newest of each. Bounded; time is passed in. */
export class DenialList {
  readonly #denials = new Map<string, Denial>();
  readonly #denialsMax: number;
  #revision = 0;

  constructor(limits: { readonly denialsMax: number }) {
    this.#denialsMax = limits.denialsMax;
  }

  /** How many it knows, and how new the newest is. */
  status(): { readonly count: number; readonly revision: number } {
    return { count: this.#denials.size, revision: this.#revision };
  }

  add(denials: readonly Denial[], revision: number): void {
    this.#revision = Math.max(this.#revision, revision);
    for (const denial of denials) {
      const key = keyOf(denial);
      const known = this.#denials.get(key);
      if (known === undefined || known.atMs < denial.atMs) {
        this.#denials.delete(key);
        this.#denials.set(key, denial);
      }
    }
    this.#dropOldest();
  }

  /** Whether one of them makes the grant void. */
  denies(grant: GrantSubjects): boolean {
    return DENIAL_SUBJECTS.some((subject) => {
      const id = subjectId(grant, subject);
      const denial = id === null ? undefined : this.#denials.get(keyOf({ subject, id }));
      return denial !== undefined && isVoidedBy(grant, denial);
    });
  }

  /** Forgets those that cannot matter any more. */
  sweep(nowMs: number): void {
    for (const [key, { untilMs }] of this.#denials) {
      if (untilMs <= nowMs) {
        this.#denials.delete(key);
      }
    }
  }

  #dropOldest(): void {
    for (const key of this.#denials.keys()) {
      if (this.#denials.size <= this.#denialsMax) {
        return;
      }
      this.#denials.delete(key);
    }
  }
}

/** Why something is refused or ended that a denial makes void. */
export const DENIED_DETAIL = "its user, console, session or share was denied";

function keyOf({ subject, id }: Pick<Denial, "subject" | "id">): string {
  return `${subject} ${id}`;
}
