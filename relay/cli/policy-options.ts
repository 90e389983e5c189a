/**
 * A console's policy as `kerbside console add` takes it: a file of JSON, and flags that win over
 * it. What is not said stays as the default policy has it.
 */
import { readFile } from "node:fs/promises";
import type { z } from "zod";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { type PartialPolicy, partialPolicySchema } from "#shared/policy/policy.ts";
import { reasonOf } from "../control/state-folder.ts";
import { type CliFailure, failed, misused, type OptionValues, textOption } from "./command.ts";

export const POLICY_OPTIONS = {
  policy: { type: "string" },
  channels: { type: "string" },
  firewall: { type: "string" },
  "second-viewer": { type: "string" },
  "reconnect-window": { type: "string" },
  idle: { type: "string" },
  "max-duration": { type: "string" },
} as const;

export const POLICY_OPTIONS_HELP = `  --policy FILE        JSON with any of channels, firewall, secondViewer, reconnectWindowS,
                       idleS, durationS; these flags win over it:
  --channels LIST      only these channels, such as main,display,inputs,cursor; or all
  --firewall MODE      enforce (default), or observe: count unlawful messages only
  --second-viewer RULE refuse (default), or take-over: the first viewer gives way
  --reconnect-window T how long a lost client may come back: 60 (seconds), 5m; default 0
  --idle T             end after so long without input or change: 15m; default never
  --max-duration T     end so long after the opening: 8h; default never
`;

/** The rules that were given; null when there were none. */
export async function readPolicyOptions(
  options: OptionValues,
): Promise<Result<PartialPolicy | null, CliFailure>> {
  const path = textOption(options, "policy");
  const fromFile = path === null ? ok({}) : await readPolicyFile(path);
  if (!fromFile.ok) {
    return fromFile;
  }
  const flags: Record<string, unknown> = {};
  for (const [option, rule, read] of RULES) {
    const text = textOption(options, option);
    if (text !== null) {
      const value = read(text);
      const judged = partialPolicySchema.safeParse({ [rule]: value });
      if (value === undefined || !judged.success) {
        const why = judged.success ? "" : ` ${firstIssue(judged.error)}`;
        return fail(misused(`--${option} cannot be "${text}".${why}`));
      }
      flags[rule] = value;
    }
  }
  const policy = partialPolicySchema.parse({ ...fromFile.value, ...flags });
  return ok(Object.keys(policy).length === 0 ? null : policy);
}

async function readPolicyFile(path: string): Promise<Result<PartialPolicy, CliFailure>> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    return fail(failed(`${path} cannot be read: ${reasonOf(error)}.`));
  }
  const json = parseJson(text);
  if (json === undefined) {
    return fail(failed(`${path} is not JSON.`));
  }
  const policy = partialPolicySchema.safeParse(json);
  return policy.success
    ? ok(policy.data)
    : fail(failed(`${path} is no policy: ${firstIssue(policy.error)}`));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function firstIssue(error: z.ZodError): string {
  const [issue] = error.issues;
  const where = issue === undefined || issue.path.length === 0 ? "" : `${issue.path.join(".")}: `;
  const known = Object.keys(partialPolicySchema.shape).join(", ");
  const advice = issue?.code === "unrecognized_keys" ? ` The rules are ${known}.` : "";
  return `${where}${issue?.message ?? "it does not match"}.${advice}`;
}

/** Seconds; null for "never"; undefined for a text that is no time. */
export function readSeconds(text: string): number | null | undefined {
  if (text === "never") {
    return null;
  }
  const [, count, unit] = /^([0-9]{1,9})([smhd]?)$/.exec(text) ?? [];
  const seconds = unit === undefined ? undefined : UNIT_SECONDS[unit];
  return seconds === undefined ? undefined : Number(count) * seconds;
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, h: 3_600, d: 86_400 };

/** Option, rule, and how its text is read; undefined is no value at all. */
const RULES: readonly (readonly [
  option: keyof typeof POLICY_OPTIONS,
  rule: keyof PartialPolicy,
  read: (text: string) => unknown,
])[] = [
  ["channels", "channels", (text) => (text === "all" ? null : text.split(","))],
  ["firewall", "firewall", (text) => text],
  ["second-viewer", "secondViewer", (text) => text],
  ["reconnect-window", "reconnectWindowS", (text) => readSeconds(text)],
  ["idle", "idleS", (text) => readSeconds(text)],
  ["max-duration", "durationS", (text) => readSeconds(text)],
];
