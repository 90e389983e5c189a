/** How the audit commands are told which events are meant, and the API is asked for them. */
import { ok, type Result } from "#shared/base/result.ts";
import { type CliFailure, type OptionValues, textOption } from "../command.ts";
import type { TypedNames } from "../name-flags.ts";
import { TIMES, timeOption } from "../time-option.ts";

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
  --from T, --to T     not before, and before: ${TIMES}
`;

/** The options' parameters that have another name. */
export const FILTER_NAMES: TypedNames = {
  actorId: "--actor",
  requestId: "--request",
};

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
    const time = timeOption(options, option, nowMs);
    if (!time.ok) {
      return time;
    }
    if (time.value !== null) {
      query.set(option, time.value);
    }
  }
  return ok(query);
}

const PARAMETERS = [
  ["type", "type"],
  ["actor", "actorId"],
  ["about", "about"],
  ["address", "address"],
  ["request", "requestId"],
] as const;
