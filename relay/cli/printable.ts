/** Texts from elsewhere, made safe for a terminal and for a file name. */

/** Without control characters, which could move the cursor or hide text. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, "\u{FFFD}");
}

/** Rows in aligned columns under a head. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return createTable(head)(rows);
}

/**
 * A table whose rows come little by little: the head before the first ones, columns as wide as
 * anything that was in them, and as `leastWidths` says of what is to come.
 */
export function createTable(
  head: readonly string[],
  leastWidths: readonly number[] = [],
): (rows: readonly (readonly string[])[]) => string {
  const widths = head.map((_, column) => leastWidths[column] ?? 0);
  let unwritten = [head];
  return (rows) => {
    const cells = [...unwritten, ...rows.map((row) => row.map(printable))];
    unwritten = [];
    for (const [column, width] of widths.entries()) {
      widths[column] = Math.max(width, ...cells.map((row) => widthOf(row[column] ?? "")));
    }
    const pad = (cell: string, column: number) =>
      cell + " ".repeat(Math.max(0, (widths[column] ?? 0) - widthOf(cell)));
    return cells.map((row) => `${row.map(pad).join("  ").trimEnd()}\n`).join("");
  };
}

/** A name that is a plain file name everywhere: no path, no hidden file, no odd character. */
export function toFileName(name: string): string {
  const safe = name
    .normalize("NFKD")
    .replace(/[^A-Za-z0-9._-]+/g, "_")
    .replace(/^[._-]+/, "")
    .slice(0, FILE_NAME_LENGTH_MAX);
  return safe === "" ? "console" : safe;
}

/** Characters as people count them. */
function widthOf(text: string): number {
  return Array.from(new Intl.Segmenter().segment(text)).length;
}

/** Leaves room for an extension within the 255 bytes of common file systems. */
const FILE_NAME_LENGTH_MAX = 128;
