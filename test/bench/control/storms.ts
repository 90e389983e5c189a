/** The reconnect storm at 500 relays: all at once, and spread over a minute. */
import { withDeadline } from "../../harness/deadline.ts";
import { runStorm, type StormOutcome } from "../../harness/storm/reconnect-storm.ts";
import { SELFHOST_PARTS } from "../../harness/running-host.ts";
import { percentile, rounded } from "../relay/statistics.ts";
import type { ControlScene } from "./control-scene.ts";
import { type PartMemory, readHostMemory } from "./host-memory.ts";

export interface StormFigure extends Omit<StormOutcome, "backMs"> {
  readonly relays: number;
  /** Each relay's network stays away for a part of this. */
  readonly awayMsMax: number;
  readonly backP50Ms: number;
  readonly backP99Ms: number;
  readonly allBackMs: number;
  readonly memory: Readonly<Record<string, PartMemory>>;
}

/** workerd is killed, with the relays' sessions and grants pending, and orders given meanwhile. */
export async function measureStorm(scene: ControlScene, awayMsMax: number): Promise<StormFigure> {
  const { doubles, api, place, tokens } = scene;
  const { backMs, ...outcome } = await withDeadline(
    runStorm({
      ...{ doubles, api, token: tokens.admin, awayMs: awayMsMax },
      cut: () => process.kill(place.processRunning(SELFHOST_PARTS.workerd), "SIGKILL"),
    }),
    STORM_DEADLINE_MS,
    "the storm is over",
  );
  return {
    relays: doubles.length,
    awayMsMax,
    backP50Ms: rounded(percentile(backMs, 0.5), 0),
    backP99Ms: rounded(percentile(backMs, 0.99), 0),
    allBackMs: rounded(Math.max(...backMs), 0),
    ...outcome,
    memory: readHostMemory(place),
  };
}

const STORM_DEADLINE_MS = 600_000;
