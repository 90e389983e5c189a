/**
 * What a change changed, for the audit trail: each field's value before and after, bounded, and
 * without secrets. Of a secret it is told that it was changed and whether there is one.
 */
import { z } from "zod";

/** Nothing that people change has more fields. */
const FIELDS_TOLD_MAX = 32;

export const fieldChangeSchema = z.object({
  field: z.string(),
  /** JSON, cut at its bound; null: there was none, or is none any more. */
  before: z.string().nullable(),
  after: z.string().nullable(),
});

export type FieldChange = z.infer<typeof fieldChangeSchema>;

/** For an event's data. */
export const fieldChangesSchema = z.array(fieldChangeSchema).max(FIELDS_TOLD_MAX);

/**
 * The fields whose values differ; those that one side does not have count as null.
 *
 * @param secrets fields whose values are never told.
 */
export function describeChanges(
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
  secrets: readonly string[] = [],
): FieldChange[] {
  const fields = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return fields
    .map((field) => ({ field, old: textOf(before[field]), new: textOf(after[field]) }))
    .filter((change) => change.old !== change.new)
    .slice(0, FIELDS_TOLD_MAX)
    .map(({ field, old, new: fresh }) => {
      const tell = secrets.includes(field) ? hide : cut;
      return { field, before: tell(old), after: tell(fresh) };
    });
}

function textOf(value: unknown): string | null {
  return value === undefined || value === null ? null : JSON.stringify(value);
}

function hide(text: string | null): string | null {
  return text === null ? null : HIDDEN;
}

function cut(text: string | null): string | null {
  return text === null || text.length <= VALUE_CHARACTERS_MAX
    ? text
    : `${text.slice(0, VALUE_CHARACTERS_MAX)}…`;
}

const HIDDEN = "(secret)";
/** An address, a name, a short list. */
const VALUE_CHARACTERS_MAX = 256;
