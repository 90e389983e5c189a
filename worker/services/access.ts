/**
 * What a caller may do with a console, pure: out of what rules grant them of it and what their
 * permissions reach everywhere. Lists, tickets, sessions and links all judge by this.
 */
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { type AccessLevel, levelOfRank, rankOf, reaches } from "../identity/access-level.ts";
import { may } from "../identity/permissions.ts";
import type { Caller } from "./context.ts";

/** A console as far as judging goes. */
export interface JudgedConsole {
  /** What rules grant the caller of it. */
  readonly granted: AccessLevel | null;
}

/** Whether the caller sees consoles that no rule grants them; who manages them has to. */
export function seesAllConsoles(caller: Pick<Caller, "permissions">): boolean {
  return may(caller, "consoles.read-all") || may(caller, "consoles.manage");
}

/** How far the caller's right to the console goes; null: it is not there for them. */
export function accessTo(
  caller: Pick<Caller, "permissions">,
  { granted }: JudgedConsole,
): AccessLevel | null {
  const opensAll = may(caller, "consoles.open-all");
  const everywhere: AccessLevel | null = opensAll
    ? "open"
    : seesAllConsoles(caller)
      ? "view"
      : null;
  const level = levelOfRank(Math.max(rankOf(granted), rankOf(everywhere)));
  // Who may open nothing at all, an auditor say, sees what others would open.
  const opensNothing = !opensAll && !may(caller, "consoles.open");
  return opensNothing && level !== null ? "view" : level;
}

/**
 * The console, if the caller's right to it goes that far. Fails with `resource.not-found` when it is
 * not there for them, so that nobody learns what there is; else with `console.access-too-low`.
 */
export function judgeConsole<Console extends JudgedConsole>(
  caller: Pick<Caller, "permissions">,
  console: Console | null,
  wanted: AccessLevel,
): Result<Console, Failure> {
  const level = console === null ? null : accessTo(caller, console);
  if (console === null || level === null) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  if (!reaches(level, wanted)) {
    const detail = `It takes the level "${wanted}", and yours is "${level}".`;
    return fail({ code: "console.access-too-low", detail });
  }
  return ok(console);
}
