/** Reads a paged list to its end. */
import { ok, type Result } from "#shared/base/result.ts";
import type { CliFailure } from "./command.ts";

/** All items, or the first failure. */
export async function collectPages<Item>(
  pages: AsyncIterable<Result<readonly Item[], CliFailure>>,
): Promise<Result<Item[], CliFailure>> {
  const items: Item[] = [];
  for await (const page of pages) {
    if (!page.ok) {
      return page;
    }
    items.push(...page.value);
  }
  return ok(items);
}
