/**
 * The spool's lines, pure: one JSON object a line. The first names the stream and the relay; then
 * come numbered events, and marks of what the control plane has stored. Whatever a crash can leave
 * behind reads as far as it is whole.
 */
import { z } from "zod";
import { type NumberedEvent, numberedEventSchema } from "#shared/control/contract.ts";

export interface SpoolHead {
  readonly relayId: string;
  readonly stream: string;
  /** The next event's number; numbers of a stream are never used twice. */
  readonly nextSeq: number;
}

export interface SpoolContent extends SpoolHead {
  /** What was not acknowledged, in ascending order. */
  readonly events: readonly NumberedEvent[];
  /** The last line had no end: the process was killed while it wrote. */
  readonly isTorn: boolean;
  /** Whole lines that could not be read. */
  readonly unreadableCount: number;
}

/** The first line. */
export function formatHead(head: SpoolHead): string {
  const { relayId, stream, nextSeq } = head;
  return `${JSON.stringify({ relayId, stream, nextSeq })}\n`;
}

export function formatEvent(event: NumberedEvent): string {
  return `${JSON.stringify(event)}\n`;
}

/** Marks everything up to `ackedSeq` as stored by the control plane. */
export function formatMark(ackedSeq: number): string {
  return `${JSON.stringify({ ackedSeq })}\n`;
}

/** Reads a spool; null when its first line is not one, so that nothing in it can be trusted. */
export function parseSpool(text: string): SpoolContent | null {
  const lines = text.split("\n");
  const isTorn = lines.pop() !== "";
  const head = parseLine(headSchema, lines[0] ?? "");
  if (head === null) {
    return null;
  }
  let events: NumberedEvent[] = [];
  let lastSeq = 0;
  let ackedSeq = 0;
  let unreadableCount = 0;
  for (const line of lines.slice(1)) {
    const row = parseLine(rowSchema, line);
    if (row !== null && "ackedSeq" in row) {
      ackedSeq = Math.max(ackedSeq, row.ackedSeq);
    } else if (row !== null && row.seq > lastSeq) {
      events.push(row);
      lastSeq = row.seq;
    } else {
      unreadableCount += 1;
    }
  }
  events = events.filter((event) => event.seq > ackedSeq);
  const nextSeq = Math.max(head.nextSeq, lastSeq + 1, ackedSeq + 1);
  return { ...head, nextSeq, events, isTorn, unreadableCount };
}

function parseLine<Row>(schema: z.ZodType<Row>, line: string): Row | null {
  try {
    const parsed = schema.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

const headSchema = z.object({
  relayId: z.string(),
  stream: z.string().min(1).max(64),
  nextSeq: z.int().positive(),
});
const rowSchema = z.union([numberedEventSchema, z.object({ ackedSeq: z.int().nonnegative() })]);
