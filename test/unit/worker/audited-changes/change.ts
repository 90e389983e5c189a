/** A change and what the audit trail tells of it. */
import { sql } from "drizzle-orm";
import type { AuditEventType } from "#shared/audit/events.ts";
import type { Scene } from "../audit-scene.ts";

export interface Change {
  /** Events without any one of which it does not happen. */
  readonly tells: readonly AuditEventType[];
  /** Events of its other steps, which are stored before it or behind it. */
  readonly also?: readonly AuditEventType[];
  /** A query for what it changes, where it has other steps; without one, the whole database. */
  readonly looksAt?: string;
  /** Brings about what the change needs. */
  readonly before?: (scene: Scene) => Promise<void> | void;
  readonly make: (scene: Scene) => Promise<unknown>;
}

export type Changes = Readonly<Record<string, Change>>;

/** Of all relays and sessions. */
export async function setState(
  { context }: Scene,
  state: "online" | "offline",
  session: string,
): Promise<void> {
  await context.database.run(sql`UPDATE relays SET state = ${state}`);
  await context.database.run(sql`UPDATE sessions SET state = ${session}`);
}
