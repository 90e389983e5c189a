/** What somebody meant who mistyped a word. */

/** The candidate that few slips of typing make the word; null when none is that near. */
export function nearest(word: string, candidates: readonly string[]): string | null {
  const most = Math.max(1, Math.floor(word.length / LETTERS_PER_SLIP));
  const [best] = candidates
    // A long word is no slip, and costs time to compare.
    .filter((candidate) => Math.abs(candidate.length - word.length) <= most)
    .map((candidate) => ({ candidate, slips: slipsBetween(word, candidate) }))
    .sort((left, right) => left.slips - right.slips);
  return best === undefined || best.slips > most ? null : best.candidate;
}

/** Letters that are too many, missing, wrong, or two in each other's place. */
function slipsBetween(left: string, right: string): number {
  const rows = [Array.from({ length: right.length + 1 }, (_, index) => index)];
  for (let row = 1; row <= left.length; row += 1) {
    const cells = [row];
    for (let column = 1; column <= right.length; column += 1) {
      const isSame = left[row - 1] === right[column - 1];
      const isSwapped = left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1];
      cells.push(
        Math.min(
          at(rows, row - 1, column) + 1,
          (cells[column - 1] ?? 0) + 1,
          at(rows, row - 1, column - 1) + (isSame ? 0 : 1),
          isSwapped ? at(rows, row - 2, column - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
    rows.push(cells);
  }
  return at(rows, left.length, right.length);
}

function at(rows: readonly (readonly number[])[], row: number, column: number): number {
  return rows[row]?.[column] ?? Number.POSITIVE_INFINITY;
}

/** One slip in a short word, two in "terminate": more would guess. */
const LETTERS_PER_SLIP = 4;
