/**
 * How a channel's messages are written down: one row a message, and the row is the only truth about
 * its number, its name and how long its body may lawfully be.
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
}

/** [type, exact size in bytes] or [type, fewest bytes, most bytes]. */
export type MessageFacts =
  | readonly [type: number, size: number]
  | readonly [type: number, sizeMin: number, sizeMax: number];

/** A channel's rows of one direction, by name. */
export type MessageTable<Name extends string = string> = Readonly<Record<Name, MessageRow>>;

/** Rows from their facts; each key is the row's name. */
export function messageTable<const Facts extends Readonly<Record<string, MessageFacts>>>(
  facts: Facts,
): MessageTable<keyof Facts & string> {
  const rows = Object.entries(facts).map(([name, [type, sizeMin, sizeMax = sizeMin]]) => [
    name,
    { type, name, sizeMin, sizeMax },
  ]);
  return Object.fromEntries(rows) as MessageTable<keyof Facts & string>;
}

export const KIB = 1024;
export const MIB = 1024 * KIB;
