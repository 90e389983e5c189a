/** `kerbside audit verify`: whether the audit trail is what was stored. */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { publicKeySchema, type TrailKeys } from "#shared/audit/trail-file.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { reasonOf } from "../../control/state-folder.ts";
import { API_OPTIONS, API_OPTIONS_HELP, withApi } from "../api-client.ts";
import { readAnchors } from "../audit/anchors.ts";
import { readTrailFromApi, readTrailFromFile } from "../audit/trail-sources.ts";
import { type SourceReport, verifySource, type VerifyOptions } from "../audit/verify-source.ts";
import {
  type CliFailure,
  type CliOutcome,
  type CliTools,
  type Command,
  EXIT,
  failed,
  type OptionValues,
  parseCommand,
  textOption,
} from "../command.ts";
import { countOf } from "../count-of.ts";
import { formatTable, printable } from "../printable.ts";

export const auditVerifyCommand: Command = {
  name: "audit verify",
  summary: "check that nothing in the audit trail was changed or removed",
  help: `Usage: kerbside audit verify [--file FILE] [--keys FILE] [--against FILE] [--json]

Reads the whole trail and checks every hash and every signature. Exit code 1 when something is
wrong with it; each finding names the chain, the place in it, and what is wrong there.

  --file FILE          a file of npx kerbside audit export --whole, in the place of the control plane
  --keys FILE          trust the keys of this JWK set alone, in the place of those that the trail names
  --against FILE       events that were kept elsewhere (an earlier export) must still be there
  --json               the report as JSON
${API_OPTIONS_HELP}`,
  run: async (args, tools) => {
    const parsed = parseCommand(args, {
      ...API_OPTIONS,
      file: { type: "string" },
      keys: { type: "string" },
      against: { type: "string" },
      json: { type: "boolean" },
    });
    if (!parsed.ok) {
      return parsed;
    }
    const { options } = parsed.value;
    const verifying = await readOptions(options);
    if (!verifying.ok) {
      return verifying;
    }
    const file = textOption(options, "file");
    if (file !== null) {
      if (verifying.value.keys === null) {
        tools.note("The file's own keys are trusted: --keys names those that you know.\n");
      }
      return tell(await verifySource(readTrailFromFile(file), verifying.value), options, tools);
    }
    return withApi(options, tools, async (client) =>
      tell(await verifySource(readTrailFromApi(client), verifying.value), options, tools),
    );
  },
};

async function readOptions(options: OptionValues): Promise<Result<VerifyOptions, CliFailure>> {
  const keysFile = textOption(options, "keys");
  const keys = keysFile === null ? ok(null) : await readKeys(keysFile);
  if (!keys.ok) {
    return keys;
  }
  const against = textOption(options, "against");
  const heads = against === null ? ok([]) : await readAnchors(against);
  return heads.ok
    ? ok({
        keys: keys.value,
        anchors: heads.value.map((head) => ({ head, source: against ?? "" })),
      })
    : heads;
}

async function readKeys(path: string): Promise<Result<TrailKeys["keys"], CliFailure>> {
  try {
    const parsed = keysSchema.safeParse(JSON.parse(await readFile(path, "utf8")));
    return parsed.success
      ? ok(parsed.data.keys)
      : fail(failed(`${path} is no JWK set of Ed25519 keys.`));
  } catch (error) {
    return fail(failed(`${path} cannot be read: ${reasonOf(error)}.`));
  }
}

function tell(
  verified: Result<SourceReport, CliFailure>,
  options: OptionValues,
  tools: CliTools,
): CliOutcome {
  if (!verified.ok) {
    return verified;
  }
  const report = verified.value;
  if (options["json"] === true) {
    tools.print(`${JSON.stringify(report, null, 2)}\n`);
  } else {
    tools.print(describe(report));
  }
  return ok(report.findingCount === 0 ? EXIT.done : EXIT.failed);
}

function describe(report: SourceReport): string {
  const { findings, findingCount, newestCheckpoint: newest, unsignedCount } = report;
  const lines = [
    `${countOf(report.linkCount, "event")} in ${countOf(report.chainCount, "chain")}.`,
  ];
  if (newest !== null) {
    const time = new Date(newest.atMs).toISOString();
    const behind = unsignedCount === 0 ? "no events" : countOf(unsignedCount, "event");
    lines.push(`The newest checkpoint is ${newest.number} of ${time}; ${behind} came after it.`);
  }
  if (report.unchainedCount > 0) {
    const wait = report.unchainedCount === 1 ? "waits" : "wait";
    const events = countOf(report.unchainedCount, "event");
    lines.push(`${events} of an older version ${wait} to be put into a chain.`);
  }
  if (findingCount === 0) {
    return `${[...lines, "Nothing was changed or removed."].join("\n")}\n`;
  }
  const rows = findings.map(({ kind, writer, fromSeq, toSeq, detail }) => [
    kind,
    writer ?? "-",
    fromSeq === null ? "-" : fromSeq === toSeq ? String(fromSeq) : `${fromSeq}-${toSeq}`,
    printable(detail),
  ]);
  const more = findingCount > findings.length ? ` The first ${findings.length}:` : "";
  lines.push(`${countOf(findingCount, "finding")}.${more}`, formatTable(HEAD, rows));
  return lines.join("\n");
}

const HEAD = ["WHAT", "CHAIN", "LINKS", "DETAIL"];
const keysSchema = z.object({ keys: z.array(publicKeySchema) });
