/** Says why a user gets no further session, and how to end one of those that there are. */
import { listLivingSessions } from "../repositories/living-sessions.ts";
import type { Caller, ServiceContext } from "./context.ts";

/** A sentence for the caller; whose sessions these are is told which. */
export async function sayLimit(
  context: Pick<ServiceContext, "database">,
  caller: Caller,
  limit: { readonly userId: string; readonly sessionsMax: number | null },
): Promise<string> {
  const { userId, sessionsMax } = limit;
  const isOne = sessionsMax === 1;
  const held = isOne ? "a session" : `${sessionsMax} sessions`;
  if (caller.actorId !== userId) {
    return `There ${isOne ? "is" : "are"} ${held} already, as many as policies allow.`;
  }
  const living = await listLivingSessions(context.database, userId, NAMED_MAX);
  const ways = living.map(({ id, consoleName }) => `npx kerbside terminate ${id} (${consoleName})`);
  const advice = ways.length === 0 ? "" : ` To end one: ${ways.join(", or ")}.`;
  return `You have ${held} already, as many as your policies allow.${advice}`;
}

/** A sentence holds no more. */
const NAMED_MAX = 3;
