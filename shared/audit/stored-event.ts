/**
 * An audit event as it is stored and read again. What is read may come from a newer build, or from
 * somebody's hands: its type and data are texts here, and only {@link parseEventData} looks inside.
 */

export interface StoredAuditEvent {
  readonly id: string;
  /** Milliseconds since 1970, by the clock of whoever saw it happen. */
  readonly atMs: number;
  readonly type: string;
  readonly actorKind: string;
  readonly actorId: string | null;
  readonly address: string | null;
  readonly requestId: string | null;
  readonly consoleId: string | null;
  readonly sessionId: string | null;
  readonly relayId: string | null;
  readonly subjectId: string | null;
  /** JSON, exactly as it is stored: the hash is over this text. */
  readonly data: string;
  /** The chain that it is a link of (chain.ts), its place there from 1, and the link's hash. */
  readonly writer: string;
  /** Null, as the hash: it was stored by a version without chains and waits to be put into one. */
  readonly seq: number | null;
  readonly hash: string | null;
}

/** The event's data; null where the text is no JSON object, which only a foreign hand can do. */
export function parseEventData(data: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}
