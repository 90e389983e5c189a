/** `kerbside audit export`: the audit trail, or a part of it, as a file. */
import { open } from "node:fs/promises";
import { fail, ok } from "#shared/base/result.ts";
import { reasonOf } from "../../control/state-folder.ts";
import { API_OPTIONS, API_OPTIONS_HELP, withApi } from "../api-client.ts";
import {
  FILTER_NAMES,
  FILTER_OPTIONS,
  FILTER_OPTIONS_HELP,
  readFilterOptions,
} from "../audit/filter-options.ts";
import { type Command, EXIT, failed, misused, parseCommand, textOption } from "../command.ts";
import { nameFlags } from "../name-flags.ts";

export const auditExportCommand: Command = {
  name: "audit export",
  summary: "write the audit trail to a file",
  help: `Usage: kerbside audit export --output FILE [options]

Oldest first. An export is itself recorded in the trail.

  --output FILE        a new file; it is readable by you alone
  --format F           ndjson (default): one JSON object a line; or csv
  --whole              all of it, in the form that npx kerbside audit verify --file reads
${FILTER_OPTIONS_HELP}${API_OPTIONS_HELP}`,
  run: async (args, tools) => {
    const parsed = parseCommand(args, OPTIONS);
    if (!parsed.ok) {
      return parsed;
    }
    const { options } = parsed.value;
    const query = readFilterOptions(options, Date.now());
    if (!query.ok) {
      return query;
    }
    const output = textOption(options, "output");
    if (output === null) {
      return fail(misused("--output is missing."));
    }
    const format = textOption(options, "format") ?? "ndjson";
    if (options["whole"] === true && (query.value.size > 0 || format !== "ndjson")) {
      return fail(misused("--whole goes with no filter and no other format."));
    }
    query.value.set("format", format);
    if (options["whole"] === true) {
      query.value.set("order", "chain");
    }
    return withApi(options, tools, async (client) => {
      // Never over a file that is there: it may be the export that this one is compared with.
      const file = await open(output, "wx", FILE_MODE).catch((error: unknown) => reasonOf(error));
      if (typeof file === "string") {
        return fail(failed(`${output} cannot be written: ${file}.`));
      }
      let sizeBytes = 0;
      try {
        const done = await client.download(
          `/api/v1/audit/export?${query.value.toString()}`,
          async (chunk) => {
            await file.writeFile(chunk);
            sizeBytes += chunk.length;
          },
        );
        if (!done.ok) {
          const named = nameFlags(done.error, OPTIONS, FILTER_NAMES);
          return fail({ ...named, sentence: `${named.sentence} ${output} is not complete.` });
        }
        await file.sync();
      } finally {
        await file.close();
      }
      tools.note(`${output}: ${sizeBytes} bytes.\n`);
      return ok(EXIT.done);
    });
  },
};

const OPTIONS = {
  ...API_OPTIONS,
  ...FILTER_OPTIONS,
  output: { type: "string" },
  format: { type: "string" },
  whole: { type: "boolean" },
} as const;
/** Who did what from where is for whoever may read the trail. */
const FILE_MODE = 0o600;
