/** How the audit commands are told which events are meant, and the API is asked for them. */
import { fail, ok, type Result } from "#shared/base/result.ts";
import { type CliFailure, misused, type OptionValues, textOption } from "../command.ts";

export const FILTER_OPTIONS = {
  type: { type: "string" },
  actor: { type: "string" },
  about: { type: "string" },
  address: { type: "string" },
  request: { type: "string" },
  from: { type: "string" },
  to: { type: "string" },
} as const;

export const FILTER_OPTIONS_HELP = `  --type LIST          types by comma; session.* stands for all that begin so
  --actor ID           what this user, token or relay did
  --about ID           what it was about: a console, session, relay, user, policy, …
  --address A          from this address
  --request ID         in this request (X-Request-Id)
  --from T, --to T     not before, and before: 2026-03-01, 2026-03-01T12:00:00Z, or 36h ago: 36h
`;

/** The options as the API's query; empty without any. */
export function readFilterOptions(
  options: OptionValues,
  nowMs: number,
): Result<URLSearchParams, CliFailure> {
  const query = new URLSearchParams();
  for (const [option, parameter] of PARAMETERS) {
    const text = textOption(options, option);
    if (text !== null) {
      query.set(parameter, text);
    }
  }
  for (const option of ["from", "to"] as const) {
    const text = textOption(options, option);
    const time = text === null ? null : readTime(text, nowMs);
    if (time === undefined) {
      return fail(misused(`--${option} cannot be "${text}": it is no time.`));
    }
    if (time !== null) {
      query.set(option, time);
    }
  }
  return ok(query);
}

/** RFC 3339; undefined for a text that is no time. */
function readTime(text: string, nowMs: number): string | undefined {
  const [, count, unit = ""] = /^([0-9]{1,6})([mhd])$/.exec(text) ?? [];
  const atMs =
    count === undefined ? Date.parse(text) : nowMs - Number(count) * (UNIT_MS[unit] ?? 0);
  return Number.isNaN(atMs) ? undefined : new Date(atMs).toISOString();
}

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

const PARAMETERS = [
  ["type", "type"],
  ["actor", "actorId"],
  ["about", "about"],
  ["address", "address"],
  ["request", "requestId"],
] as const;
