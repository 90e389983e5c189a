/** Does many things a few at a time. */

/** The outcomes in the items' order; at most `atOnce` are under way at any time. */
export async function inChunks<Item, Outcome>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<Outcome>,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (let start = 0; start < items.length; start += atOnce) {
    outcomes.push(...(await Promise.all(items.slice(start, start + atOnce).map(work))));
  }
  return outcomes;
}
