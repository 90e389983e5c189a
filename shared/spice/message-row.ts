/**
 * How a channel's messages are written down: one row a message, and the row is the only truth about
 * its number, its name, how long its body may lawfully be and what it says of the session.
 */

export interface MessageRow {
  /** The opcode (spice-protocol enums.h). */
  readonly type: number;
  /** The name in enums.h without SPICE_MSG_ or SPICE_MSGC_, for logs and metrics. */
  readonly name: string;
  /** Fewest bytes the body may have. */
  readonly sizeMin: number;
  /** Most bytes the body may have. */
  readonly sizeMax: number;
  /**
   * Housekeeping: programs send it on their own account, and it tells of nothing that the user did
   * and of nothing that changed for him. A session with only such messages is idle.
   */
  readonly quiet: boolean;
  /** How its list is laid out, for the two messages that servers send as sub-messages. */
  readonly entries: EntryLayout | null;
}

/** A body that is a count and then so many entries, all of one size. */
export interface EntryLayout {
  readonly countBytes: 1 | 2;
  readonly entryBytes: number;
}

/** What a row may say beyond number and sizes. */
export interface MessageTraits {
  readonly quiet?: boolean;
  readonly entries?: EntryLayout;
}

/** [type, exact size in bytes], or [type, fewest bytes, most bytes], the latter with traits too. */
export type MessageFacts =
  | readonly [type: number, size: number]
  | readonly [type: number, sizeMin: number, sizeMax: number]
  | readonly [type: number, sizeMin: number, sizeMax: number, traits: MessageTraits];

/** A channel's rows of one direction, by name. */
export type MessageTable<Name extends string = string> = Readonly<Record<Name, MessageRow>>;

/** Rows from their facts; each key is the row's name. */
export function messageTable<const Facts extends Readonly<Record<string, MessageFacts>>>(
  facts: Facts,
): MessageTable<keyof Facts & string> {
  const rows = Object.entries(facts).map(([name, [type, sizeMin, sizeMax, traits]]) => [
    name,
    makeRow({ type, name, sizeMin, sizeMax: sizeMax ?? sizeMin }, traits),
  ]);
  return Object.fromEntries(rows) as MessageTable<keyof Facts & string>;
}

/** Why in one place: rows are read once a message, which is fast while all have one shape. */
function makeRow(
  sizes: Omit<MessageRow, "quiet" | "entries">,
  { quiet = false, entries }: MessageTraits = {},
): MessageRow {
  return { ...sizes, quiet, entries: entries ?? null };
}

/** The traits of housekeeping. */
export const QUIET: MessageTraits = { quiet: true };

export const KIB = 1024;
export const MIB = 1024 * KIB;
