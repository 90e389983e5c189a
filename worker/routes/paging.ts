/**
 * Lists are paged by cursor: an opaque text that says after which row the next page begins, so that
 * rows that come and go in between neither repeat nor vanish.
 */
import { z } from "@hono/zod-openapi";
import { fromBase64Url, toBase64Url, utf8 } from "#shared/base/bytes.ts";
import { invalidField } from "../services/field-failure.ts";
import { ProblemError } from "./problem.ts";
import { holdsZero } from "./zero-character.ts";

/** Rows in a page: what a screen shows, and what one answer can hold without being slow. */
const PAGE_ROWS_DEFAULT = 50;
const PAGE_ROWS_MAX = 200;
/** A cursor holds a name and an id. */
const CURSOR_CHARACTERS_MAX = 1024;

/** The query parameters that every list takes. */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(PAGE_ROWS_MAX).default(PAGE_ROWS_DEFAULT),
  cursor: z
    .string()
    .max(CURSOR_CHARACTERS_MAX)
    .optional()
    .openapi({ description: "The `nextCursor` of the page before." }),
};

/** What a list answers. */
export function pageSchema<Item extends z.ZodType>(item: Item) {
  return z.object({
    items: z.array(item),
    nextCursor: z.string().nullable().openapi({ description: "Null on the last page." }),
  });
}

/** The positions that lists share: after a name, an id, or the time and id of the one before. */
export const nameCursor = z.object({ name: z.string() });
export const idCursor = z.object({ id: z.string() });
export const newestCursor = z.object({ createdAtMs: z.int(), id: z.string() });

/** The cursor's text, or null after the last page. */
export function writeCursor(position: object | null): string | null {
  return position === null ? null : toBase64Url(utf8(JSON.stringify(position)));
}

/** The position that a cursor of ours holds. @throws {ProblemError} for any other text. */
export function readCursor<Position>(
  schema: z.ZodType<Position>,
  cursor: string | undefined,
): Position | null {
  if (cursor === undefined) {
    return null;
  }
  const position = schema.safeParse(parseJson(fromBase64Url(cursor)));
  if (!position.success) {
    throw new ProblemError(invalidField("cursor", "must be the nextCursor of a page before"));
  }
  return position.data;
}

function parseJson(bytes: Uint8Array | null): unknown {
  try {
    const text = bytes === null ? "null" : new TextDecoder().decode(bytes);
    return holdsZero(text) ? null : JSON.parse(text);
  } catch {
    return null;
  }
}
