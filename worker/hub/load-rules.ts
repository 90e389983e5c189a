/**
 * What becomes of the load that a relay reports, pure: it is kept on the link, and the database is
 * told when a level has changed, at most once in LOAD_WRITE_INTERVAL_MS. A change that came too soon
 * after the one before is owed, and told when that time is over, unless it was undone by then.
 */
import {
  isSameCount,
  isSameLevel,
  levelOf,
  type Load,
  LOAD_REWRITE_INTERVAL_MS,
  LOAD_WRITE_INTERVAL_MS,
} from "#shared/control/load.ts";
import type { HubState, HubStep, LinkedLink, ReportedLoad } from "./hub-state.ts";
import { same } from "./hub-step.ts";

/** What is known of a relay that said its load as it came: the greeting has stored it. */
export function firstLoad(
  load: Load | undefined,
  channelsMax: number,
  nowMs: number,
): ReportedLoad | null {
  return load === undefined
    ? null
    : { load, written: { load, level: levelOf(load, channelsMax, null), atMs: nowMs } };
}

/** The relay said its load. */
export function reportLoad(state: HubState, link: LinkedLink, load: Load, nowMs: number): HubStep {
  const reported: ReportedLoad = { load, written: link.load?.written ?? null };
  return writeLoad({ ...state, link: { ...link, load: reported } }, nowMs);
}

/** Tells the database what is owed, when it is time. */
export function writeLoad(state: HubState, nowMs: number): HubStep {
  const { link } = state;
  if (link.phase !== "linked" || link.load === null || nowMs < (writeAtMs(link) ?? Infinity)) {
    return same(state);
  }
  const { load, written } = link.load;
  const level = levelOf(load, link.channelsMax, written?.level ?? null);
  const told: ReportedLoad = { load, written: { load, level, atMs: nowMs } };
  return {
    state: { ...state, link: { ...link, load: told } },
    effects: [{ kind: "store-load", linkId: link.linkId, load, level }],
  };
}

/** When the database is to be told; null when it knows all that it must. */
export function writeAtMs(link: LinkedLink): number | null {
  if (link.load === null) {
    return null;
  }
  const { load, written } = link.load;
  if (written === null) {
    return 0;
  }
  if (!isSameLevel(levelOf(load, link.channelsMax, written.level), written.level)) {
    return written.atMs + LOAD_WRITE_INTERVAL_MS;
  }
  return isSameCount(load, written.load) ? null : written.atMs + LOAD_REWRITE_INTERVAL_MS;
}
