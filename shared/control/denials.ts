/**
 * Denials: what was granted to a user, for a console, for a session or by a share up to some moment
 * is void. A denial is no ban: what is granted after it is good again. Hub and relay judge by the
 * same rule, so that a grant which waits at the hub and one that a relay holds have the same end.
 */
import { z } from "zod";

export const DENIAL_SUBJECTS = ["user", "console", "session", "share"] as const;

export type DenialSubject = (typeof DENIAL_SUBJECTS)[number];

export const denialSchema = z.object({
  subject: z.enum(DENIAL_SUBJECTS),
  id: z.string().min(1).max(64),
  /** What was granted then or before is void; milliseconds since 1970 by the control plane's clock. */
  atMs: z.int().nonnegative(),
  /** When nothing that was granted before can live any more: the denial may be forgotten. */
  untilMs: z.int().nonnegative(),
});

export type Denial = z.infer<typeof denialSchema>;

/**
 * Denials in one message: at some 110 bytes each they fill less than half of it, and the rest of a
 * welcome has room. Of more at once the newest are told.
 */
export const DENIALS_PER_MESSAGE_MAX = 1_000;

/** The denials that a relay has to know, and how new they are. */
export const denialListSchema = z.object({
  /** Grows with each denial: of two lists the one with the higher number is the newer. */
  revision: z.int().nonnegative(),
  denials: z.array(denialSchema).max(DENIALS_PER_MESSAGE_MAX),
});

export type DenialList = z.infer<typeof denialListSchema>;

/** What of a grant a denial can be about. */
export interface GrantSubjects {
  readonly userId: string;
  readonly consoleId: string;
  readonly sessionId: string;
  /** The share that it was granted by, or null. */
  readonly shareId: string | null;
  /** Milliseconds since 1970 by the control plane's clock. */
  readonly issuedAtMs: number;
}

/** The subjects of a grant's claims (shared/ticket/grant.ts). */
export function subjectsOfGrant(grant: {
  readonly sub: string;
  readonly iat: number;
  readonly sessionId: string;
  readonly consoleId: string;
  readonly shareId?: string | undefined;
  readonly issuedAtMs?: number | undefined;
}): GrantSubjects {
  const { sub, iat, sessionId, consoleId, shareId, issuedAtMs } = grant;
  return {
    userId: sub,
    consoleId,
    sessionId,
    shareId: shareId ?? null,
    issuedAtMs: issuedAtMs ?? iat * 1000,
  };
}

/** The id that a denial of this kind would name, or null when the grant has none. */
export function subjectId(grant: GrantSubjects, subject: DenialSubject): string | null {
  const ids: Readonly<Record<DenialSubject, string | null>> = {
    user: grant.userId,
    console: grant.consoleId,
    session: grant.sessionId,
    share: grant.shareId,
  };
  return ids[subject];
}

/** Whether the denial makes what was granted void. */
export function isVoidedBy(
  grant: GrantSubjects,
  denial: Pick<Denial, "subject" | "id" | "atMs">,
): boolean {
  return subjectId(grant, denial.subject) === denial.id && grant.issuedAtMs <= denial.atMs;
}
