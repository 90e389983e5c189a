/**
 * A policy's rules as commands take them: a file of JSON, and flags that win over it. What is not
 * said is left to the other policies that apply, and to the default in the end.
 */
import { readFile } from "node:fs/promises";
import type { z } from "zod";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { DAYS } from "#shared/policy/hours.ts";
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
  "sessions-max": { type: "string" },
  hours: { type: "string" },
  "control-loss": { type: "string" },
  clipboard: { type: "string" },
  "file-transfer": { type: "string" },
  usb: { type: "string" },
  input: { type: "string" },
} as const;

export const POLICY_OPTIONS_HELP = `  --policy FILE        JSON with rules (docs/api/policies.md); these flags win over it:
  --channels LIST      only these channels, such as main,display,inputs,cursor; or all
  --firewall MODE      enforce (default), or observe: count unlawful messages only
  --second-viewer RULE refuse (default), or take-over: the first viewer gives way
  --reconnect-window T how long a lost client may come back: 60 (seconds), 5m; default 0
  --idle T             end after so long without input or change: 15m; default never
  --max-duration T     end so long after the opening: 8h; default never
  --sessions-max N     sessions that a user may have at once; default any
  --hours HOURS        only then: "Europe/Zurich mon-fri 07:00-19:00, sat 08:00-12:00";
                       default always
  --control-loss T     end when the relay has heard nothing from the control plane for so
                       long: 60 (seconds), 5m; default fail-static: live on
  --clipboard RULE     allow (default), to-guest, to-client, or deny
  --file-transfer RULE allow (default) or deny
  --usb RULE           allow (default) or deny
  --input RULE         allow (default), or deny: look on only
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

/** Undefined for a text that is no silence; its bounds are the policy's. */
function readControlLoss(text: string): unknown {
  const strict = readSeconds(text);
  return text === "fail-static" || typeof strict !== "number" ? text : { strict };
}

/** `ZONE DAY[-DAY] HH:MM-HH:MM, …`; undefined for a text that has another form. */
function readHours(text: string): unknown {
  const [, timeZone, rest] = /^(\S+)\s+(.*)$/.exec(text.trim()) ?? [];
  const windows = rest?.split(",").map(readWindow);
  return windows === undefined || windows.includes(undefined) ? undefined : { timeZone, windows };
}

function readWindow(text: string): unknown {
  const [, first, last = first, from, to] = WINDOW.exec(text.trim()) ?? [];
  const [start, end] = [first, last].map((name) => DAYS.findIndex((day) => day === name));
  if (start === undefined || end === undefined || start < 0 || end < 0) {
    return undefined;
  }
  const count = ((end - start + DAYS.length) % DAYS.length) + 1;
  const days = Array.from({ length: count }, (_, index) => DAYS[(start + index) % DAYS.length]);
  return { days, from, to };
}

const WINDOW = /^([a-z]{3})(?:-([a-z]{3}))?\s+(\S{5})-(\S{5})$/;
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
  ["sessions-max", "sessionsMax", (text) => (text === "any" ? null : Number(text))],
  ["hours", "allowedHours", (text) => (text === "always" ? null : readHours(text))],
  ["control-loss", "controlLoss", (text) => readControlLoss(text)],
  ["clipboard", "clipboard", (text) => text],
  ["file-transfer", "fileTransfer", (text) => text],
  ["usb", "usb", (text) => text],
  ["input", "input", (text) => text],
];
