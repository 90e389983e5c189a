/**
 * An audit event as JSON for the world outside: what the API lists, exports and sends to webhooks.
 * From a line the stored event can be made again to the byte, so that whoever keeps lines can check
 * their hashes.
 */
import { z } from "zod";
import { parseEventData, type StoredAuditEvent } from "./stored-event.ts";

export const auditLineSchema = z.object({
  id: z.string(),
  /** RFC 3339, in UTC. */
  at: z.string(),
  type: z.string(),
  actor: z.object({ kind: z.string(), id: z.string().nullable() }),
  address: z.string().nullable(),
  requestId: z.string().nullable(),
  consoleId: z.string().nullable(),
  sessionId: z.string().nullable(),
  relayId: z.string().nullable(),
  subjectId: z.string().nullable(),
  /** What belongs to the type; empty where `dataText` has what is stored. */
  data: z.record(z.string(), z.unknown()),
  /** Only where the stored data is not what `data` would be written as: somebody altered it. */
  dataText: z.string().optional(),
  /** Its place in a chain, and its hash there; the latter two are null until it has one. */
  writer: z.string(),
  seq: z.int().nullable(),
  hash: z.string().nullable(),
});

export type AuditLine = z.infer<typeof auditLineSchema>;

export function writeAuditLine(event: StoredAuditEvent): AuditLine {
  const { data: text, atMs, actorKind, actorId, ...rest } = event;
  const data = parseEventData(text);
  const { id, type, writer, seq, hash, ...subjects } = rest;
  return {
    id,
    at: writeTime(atMs),
    type,
    actor: { kind: actorKind, id: actorId },
    ...subjects,
    ...(data !== null && JSON.stringify(data) === text
      ? { data: { ...data } }
      : { data: {}, dataText: text }),
    writer,
    seq,
    hash,
  };
}

/** The stored event that the line was written from. */
export function readAuditLine(line: AuditLine): StoredAuditEvent {
  const { at, actor, data, dataText, ...rest } = line;
  return {
    ...rest,
    atMs: readTime(at),
    actorKind: actor.kind,
    actorId: actor.id,
    data: dataText ?? JSON.stringify(data),
  };
}

/** A number that no calendar has, which nobody's clock gave, is told as it is. */
function writeTime(atMs: number): string {
  // oxlint-disable-next-line no-restricted-globals -- writes a given time; reads no clock
  const time = new Date(atMs);
  return Number.isNaN(time.getTime()) ? String(atMs) : time.toISOString();
}

function readTime(at: string): number {
  // oxlint-disable-next-line no-restricted-globals -- reads a given time; reads no clock
  return /^-?[0-9]+$/.test(at) ? Number(at) : Date.parse(at);
}
