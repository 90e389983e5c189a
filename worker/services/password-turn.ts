/**
 * Work with a password, which holds the isolate's thread on purpose: one piece after the other, so
 * that everybody else is served in between.
 */
import type { ServiceContext } from "./context.ts";

/** What the work comes to; null when its turn does not come in time, or too many wait. */
export async function inPasswordTurn<Value>(
  { passwordGate, nowMs }: ServiceContext,
  work: () => Promise<Value>,
): Promise<Value | null> {
  if (passwordGate === undefined) {
    return await work();
  }
  const deadlineMs = nowMs() + TURN_DEADLINE_MS;
  const leave = await passwordGate.enter(() => nowMs() < deadlineMs);
  return leave === null ? null : await work().finally(leave);
}

/** Fifty others at 130 ms and a pause each; people and programs wait so long for an answer. */
const TURN_DEADLINE_MS = 9_000;
