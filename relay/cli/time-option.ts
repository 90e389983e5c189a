/** How commands are told a time. */
import { fail, ok, type Result } from "#shared/base/result.ts";
import { type CliFailure, misused, type OptionValues, textOption } from "./command.ts";

/** The forms that a time may have, for a line of help. */
export const TIMES = "2026-03-01, 2026-03-01T12:00:00Z, or 36h ago: 36h";

/** The option as RFC 3339 in UTC; null: it was not given. */
export function timeOption(
  options: OptionValues,
  name: string,
  nowMs: number,
): Result<string | null, CliFailure> {
  const text = textOption(options, name);
  if (text === null) {
    return ok(null);
  }
  const atMs = readAgo(text, nowMs) ?? (/^\d{4}-/.test(text) ? Date.parse(text) : Number.NaN);
  return Number.isNaN(atMs)
    ? fail(misused(`--${name} cannot be "${text}": give a time such as ${TIMES}.`))
    : ok(new Date(atMs).toISOString());
}

/** So long before: minutes, hours or days. */
function readAgo(text: string, nowMs: number): number | undefined {
  const [, count, unit = ""] = /^([0-9]{1,6})([mhd])$/.exec(text) ?? [];
  return count === undefined ? undefined : nowMs - Number(count) * (UNIT_MS[unit] ?? 0);
}

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
