/**
 * Puts the audit events that a version without chains has stored into a chain of their own, oldest
 * first. What happened to them before that, nothing can tell.
 */
import { appendUnchained } from "../repositories/audit-legacy.ts";
import type { ServiceContext } from "./context.ts";

export async function chainOlderEvents(
  context: Pick<ServiceContext, "database">,
): Promise<{ readonly again: boolean }> {
  for (let count = 0; count < BATCHES_MAX; count += 1) {
    if ((await appendUnchained(context.database, EVENTS_AT_ONCE)) < EVENTS_AT_ONCE) {
      return { again: false };
    }
  }
  return { again: true };
}

/** One transaction each: the lock is held for some ten milliseconds. */
const EVENTS_AT_ONCE = 200;
const BATCHES_MAX = 50;
