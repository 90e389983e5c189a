/**
 * When the hub is told of the relay's load, pure: with each hello, then as soon as its level changes,
 * but not more often than LOAD_REPORT_INTERVAL_MS; and now and then when only its numbers have.
 */
import { LOAD_VERSION } from "#shared/control/contract.ts";
import {
  isSameCount,
  isSameLevel,
  levelOf,
  type Load,
  LOAD_REFRESH_INTERVAL_MS,
  LOAD_REPORT_INTERVAL_MS,
} from "#shared/control/load.ts";
import type { LinkState, LinkStep, LoadTelling } from "./link-types.ts";

/** The load was measured. */
export function tellLoad(
  state: LinkState,
  measured: { readonly load: Load; readonly channelsMax: number },
  nowMs: number,
): LinkStep {
  const { load, channelsMax } = measured;
  const known: LinkState = {
    ...state,
    load: { ...state.load, now: { load, channelsMax } },
  };
  const { phase } = state;
  if (phase.name !== "linked" || phase.version < LOAD_VERSION) {
    return { state: known, effects: [] };
  }
  const { told } = state.load;
  const level = levelOf(load, channelsMax, told?.level ?? null);
  if (told !== null) {
    const passedMs = nowMs - told.atMs;
    const isNews =
      !isSameLevel(level, told.level) ||
      (passedMs >= LOAD_REFRESH_INTERVAL_MS && !isSameCount(load, told.load));
    if (!isNews || passedMs < LOAD_REPORT_INTERVAL_MS) {
      return { state: known, effects: [] };
    }
  }
  return {
    state: { ...known, load: { ...known.load, told: { load, level, atMs: nowMs } } },
    effects: [{ kind: "send", message: { type: "load", load } }],
  };
}

/** What is told once the hello is out. */
export function toldByHello({ now }: LoadTelling, nowMs: number): LoadTelling {
  const told =
    now === null
      ? null
      : { load: now.load, level: levelOf(now.load, now.channelsMax, null), atMs: nowMs };
  return { now, told };
}
