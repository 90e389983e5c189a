/** `kerbside relay status`: what a relay on this machine does. */
import { fail, ok } from "#shared/base/result.ts";
import { askRelay } from "../../operator/operator-client.ts";
import type { RelayStatus } from "../../operator/relay-status.ts";
import { type Command, EXIT, failed, parseCommand, requireText } from "../command.ts";
import { countOf } from "../count-of.ts";
import { printable } from "../printable.ts";

export const relayStatusCommand: Command = {
  name: "relay status",
  summary: "say what this machine's relay does",
  help: `Usage: kerbside relay status --state-dir DIR

  --state-dir DIR  the folder that the relay runs with
  --json           one JSON object
`,
  run: async (args, tools) => {
    const parsed = parseCommand(args, {
      "state-dir": { type: "string" },
      json: { type: "boolean" },
    });
    if (!parsed.ok) {
      return parsed;
    }
    const stateDir = requireText(parsed.value.options, "state-dir");
    if (!stateDir.ok) {
      return stateDir;
    }
    const status = await askRelay(stateDir.value, { method: "GET", path: "/status" });
    if (!status.ok) {
      return fail(failed(status.error));
    }
    const isJson = parsed.value.options["json"] === true;
    tools.print(isJson ? `${JSON.stringify(status.value)}\n` : describe(status.value));
    return ok(EXIT.done);
  },
};

function describe(status: RelayStatus): string {
  const { relayId, version, pid, sessions, channels, connections, workers } = status;
  const who = status.name === null ? relayId : `${status.name} (${relayId})`;
  const lines = [
    `relay        ${who}, version ${version}, process ${pid}`,
    `status       ${describeState(status)}`,
    `control      ${describeLink(status)}`,
    ...describeKeys(status),
    ...describePorts(status.ports),
    `sessions     ${sessions}`,
    `channels     ${channels}`,
    `connections  ${connections}`,
    ...workers.map(({ name, pid: workerPid, isReady, connections: count }) => {
      const what = isReady
        ? `process ${String(workerPid)}, ${countOf(count, "connection")}`
        : "starting";
      return `${name.padEnd(11)}  ${what}`;
    }),
  ];
  return `${lines.join("\n")}\n`;
}

function describeState({ status, drain, ordered }: RelayStatus): string {
  const own =
    drain === null
      ? []
      : [
          `${sayEnd(drain.endsAtMs)}, ` +
            (drain.isEnding ? "then the relay ends, as a signal told it" : "by its operator"),
        ];
  const theirs = ordered === null ? [] : [`${sayEnd(ordered.endsAtMs)}, by the control plane`];
  const drains = [...own, ...theirs];
  return drains.length === 0 ? status : `${status}: ${drains.join("; ")}`;
}

function sayEnd(endsAtMs: number | null): string {
  return endsAtMs === null
    ? "sessions go on"
    : `sessions end at ${new Date(endsAtMs).toISOString()} at the latest`;
}

function describeLink({ linked, controlVersion, refusal, denials }: RelayStatus): string {
  if (linked) {
    const version = controlVersion === null ? "" : `, contract version ${controlVersion}`;
    const known =
      denials === null || denials.count === 0 ? "" : `, ${countOf(denials.count, "denial")}`;
    return `linked${version}${known}`;
  }
  return refusal === null
    ? "not linked"
    : `not linked: refused with ${printable(refusal.code)}: ${printable(refusal.detail)}`;
}

function describeKeys({ fingerprint, certificate }: RelayStatus): string[] {
  const lines = fingerprint === null ? [] : [`key          ${fingerprint}`];
  if (certificate === null) {
    return lines;
  }
  const { kind, endsAtMs, problem } = certificate;
  const by = kind === "own" ? "the operator's own" : "signed by the control plane";
  lines.push(`certificate  ${by}, ends at ${new Date(endsAtMs).toISOString()}`);
  return problem === null ? lines : [...lines, `             not in order: ${problem}`];
}

function describePorts(ports: RelayStatus["ports"]): string[] {
  const served = Object.entries(ports ?? {}).filter(([, port]) => port !== null);
  const words = served.map(([name, port]) => `${name} ${String(port)}`);
  return words.length === 0 ? [] : [`ports        ${words.join(", ")}`];
}
