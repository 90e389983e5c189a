/**
 * What somebody kept of the trail elsewhere: an earlier export, or the messages of a webhook, with
 * one event a line. Of each chain the last link is enough, because its hash stands for all before.
 */
import { open } from "node:fs/promises";
import { headLineSchema } from "#shared/audit/trail-file.ts";
import type { ChainHead } from "#shared/audit/chain.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { reasonOf } from "../../control/state-folder.ts";
import { type CliFailure, failed } from "../command.ts";

export async function readAnchors(path: string): Promise<Result<ChainHead[], CliFailure>> {
  const last = new Map<string, ChainHead>();
  try {
    const file = await open(path);
    for await (const text of file.readLines()) {
      const head = headLineSchema.safeParse(JSON.parse(text));
      if (head.success && head.data.seq > (last.get(head.data.writer)?.seq ?? 0)) {
        last.set(head.data.writer, head.data);
      }
    }
  } catch (error) {
    return fail(failed(`${path} cannot be read: ${reasonOf(error)}.`));
  }
  return last.size === 0
    ? fail(failed(`${path} holds no event with writer, seq and hash.`))
    : ok([...last.values()]);
}
