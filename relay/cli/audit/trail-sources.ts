/** Where `kerbside audit verify` reads a trail: over the API page by page, or from a file. */
import { open } from "node:fs/promises";
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
import { sayCommand } from "../../program.ts";
import type { ApiClient } from "../api-client.ts";
import { type CliFailure, failed } from "../command.ts";

/** Lines of a trail in their order; a failure is the last thing that comes. */
export type TrailSource = AsyncGenerator<Result<TrailLine, CliFailure>>;

/** Everything that the control plane has: what is claimed of the chains, then their links. */
export async function* readTrailFromApi(client: ApiClient): TrailSource {
  const trail = await client.call("GET /api/v1/audit/keys", trailKeysSchema);
  yield trail.ok ? ok({ trail: trail.value }) : trail;
  if (!trail.ok) {
    return;
  }
  const query = { limit: PAGE_ROWS };
  const checkpoints = client.pages("GET /api/v1/audit/checkpoints", checkpointLineSchema);
  for await (const item of itemsOf(checkpoints)) {
    yield item.ok ? ok({ checkpoint: item.value }) : item;
  }
  const heads = client.pages("GET /api/v1/audit/heads", headLineSchema, { query });
  for await (const item of itemsOf(heads)) {
    yield item.ok ? ok({ head: item.value }) : item;
  }
  yield* itemsOf(client.pages("GET /api/v1/audit/links", auditLineSchema, { query }));
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
        number === 1 ? `Write one: ${sayCommand("audit export")} --whole.` : "Was it cut off?";
      yield fail(failed(`${path} is no whole trail: line ${number} does not fit. ${advice}`));
      return;
    }
    yield ok(line.data);
  }
  if (number === 0) {
    yield fail(failed(`${path} is empty.`));
  }
}

async function* itemsOf<Item>(
  pages: AsyncIterable<Result<readonly Item[], CliFailure>>,
): AsyncGenerator<Result<Item, CliFailure>> {
  for await (const page of pages) {
    if (!page.ok) {
      yield page;
      return;
    }
    for (const item of page.value) {
      yield ok(item);
    }
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
