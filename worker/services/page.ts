/** Pages of lists. A list is asked for one row more than a page holds: it tells whether there is another. */

export function withOneMore<Page extends { readonly limit: number }>(page: Page): Page {
  return { ...page, limit: page.limit + 1 };
}

/** The rows of the page, and the one that the next page follows; null when there is no other. */
export function cutPage<Row>(
  rows: readonly Row[],
  limit: number,
): { readonly items: Row[]; readonly last: Row | null } {
  const items = rows.slice(0, limit);
  return { items, last: rows.length > limit ? (items.at(-1) ?? null) : null };
}

/** A position in a list that is in the order of time. */
export interface TimeCursor {
  readonly createdAtMs: number;
  readonly id: string;
}

export function timeCursor(last: TimeCursor | null): TimeCursor | null {
  return last === null ? null : { createdAtMs: last.createdAtMs, id: last.id };
}
