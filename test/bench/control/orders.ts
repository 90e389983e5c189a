/** Orders: from the call that ends a session to its relay, which carries it out, and back. */
import type { ControlScene } from "./control-scene.ts";
import { measureCalls } from "./measure.ts";
import { type CallFigure, summarizeCalls } from "./summary.ts";

/** @param sessionIds sessions that wait to be opened; each is ended once */
export async function measureOrders(
  scene: ControlScene,
  sessionIds: readonly string[],
): Promise<Record<string, CallFigure>> {
  const toRelayMs: number[] = [];
  const call = async (index: number): Promise<void> => {
    const sessionId = sessionIds[index];
    const path = `/sessions/${sessionId}/terminate`;
    const beganMs = performance.now();
    const { status, code } = await scene.api.call({
      ...{ method: "POST", path, token: scene.tokens.admin },
    });
    const arrivedMs = scene.arrivedAtMs.get(`terminate ${sessionId}`);
    if (status !== 202 || arrivedMs === undefined) {
      throw new Error(`POST ${path} answered ${status} ${code}; arrived: ${arrivedMs}`);
    }
    toRelayMs.push(arrivedMs - beganMs);
  };
  // A tenth more is the warm-up.
  const calls = Math.floor(sessionIds.length / (ROUNDS + 0.2));
  const answered = await measureCalls({ callers: 1, calls, rounds: ROUNDS, call });
  const wallMs = toRelayMs.reduce((sum, each) => sum + each, 0);
  return {
    "end of a session: call to answer": answered,
    "of it, call to relay": summarizeCalls(1, [{ callMs: toRelayMs, wallMs }]),
  };
}

const ROUNDS = 3;
