/** Where `kerbside audit verify` reads a trail: over the API page by page, or from a file. */
import { open } from "node:fs/promises";
import { z } from "zod";
import { auditLineSchema } from "#shared/audit/audit-line.ts";
import {
  checkpointLineSchema,
  headLineSchema,
  type TrailLine,
  trailKeysSchema,
  trailLineSchema,
} from "#shared/audit/trail-file.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { reasonOf } from "../../control/state-folder.ts";
import type { ApiClient } from "../api-client.ts";
import { type CliFailure, failed } from "../command.ts";

/** Lines of a trail in their order; a failure is the last thing that comes. */
export type TrailSource = AsyncGenerator<Result<TrailLine, CliFailure>>;

/** Everything that the control plane has: what is claimed of the chains, then their links. */
export async function* readTrailFromApi(client: ApiClient): TrailSource {
  const trail = await client.call("GET", "/api/v1/audit/keys", trailKeysSchema);
  yield trail.ok ? ok({ trail: trail.value }) : trail;
  if (!trail.ok) {
    return;
  }
  for await (const item of readItems(client, "checkpoints", checkpointLineSchema)) {
    yield item.ok ? ok({ checkpoint: item.value }) : item;
  }
  for await (const item of readItems(client, "heads", headLineSchema)) {
    yield item.ok ? ok({ head: item.value }) : item;
  }
  yield* readItems(client, `links?limit=${PAGE_ROWS}`, auditLineSchema);
}

/** The lines of a file that `kerbside audit export --whole` wrote. */
export async function* readTrailFromFile(path: string): TrailSource {
  const file = await open(path).catch((error: unknown) => reasonOf(error));
  if (typeof file === "string") {
    yield fail(failed(`${path} cannot be read: ${file}.`));
    return;
  }
  let number = 0;
  // Closes the file, also when it is not read to its end.
  for await (const text of file.readLines()) {
    number += 1;
    const line = trailLineSchema.safeParse(parseJson(text));
    if (!line.success || (number === 1 && !("trail" in line.data))) {
      const advice =
        number === 1 ? "Write one with kerbside audit export --whole." : "Was it cut off?";
      yield fail(failed(`${path} is no whole trail: line ${number} does not fit. ${advice}`));
      return;
    }
    yield ok(line.data);
  }
  if (number === 0) {
    yield fail(failed(`${path} is empty.`));
  }
}

async function* readItems<Item>(
  client: ApiClient,
  list: string,
  item: z.ZodType<Item>,
): AsyncGenerator<Result<Item, CliFailure>> {
  const page = z.object({ items: z.array(item), nextCursor: z.string().nullable() });
  const path = `/api/v1/audit/${list}`;
  const joint = path.includes("?") ? "&" : "?";
  let mark = "";
  for (;;) {
    const answer = await client.call("GET", path + mark, page);
    if (!answer.ok) {
      yield answer;
      return;
    }
    for (const value of answer.value.items) {
      yield ok(value);
    }
    const { nextCursor } = answer.value;
    const next = nextCursor === null ? null : `${joint}cursor=${encodeURIComponent(nextCursor)}`;
    if (next === null) {
      return;
    }
    if (next === mark) {
      yield fail(failed("The control plane gives the same page again and again."));
      return;
    }
    mark = next;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The API's most. */
const PAGE_ROWS = 200;
