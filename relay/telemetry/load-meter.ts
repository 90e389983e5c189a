/**
 * How loaded this relay is: what its processes have used since the last look. Cheap enough to be
 * looked at every few seconds; nothing is counted for it that is not counted anyway.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Load } from "#shared/control/load.ts";

/** What processes have used since they began, and how late their timers ran since the last look. */
export interface Usage {
  /** SPICE bytes forwarded, both directions together. */
  readonly bytes: number;
  /** CPU time, user and system, in microseconds. */
  readonly cpuMicros: number;
  /** Of the busiest process, in milliseconds. */
  readonly loopDelayMs: number;
}

/** What this process uses. */
export class ProcessMeter {
  readonly #histogram: ReturnType<typeof monitorEventLoopDelay>;

  constructor() {
    this.#histogram = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
    this.#histogram.enable();
  }

  /** What was used until now. The delay is that since the read before. */
  read(): Pick<Usage, "cpuMicros" | "loopDelayMs"> {
    const { user, system } = process.cpuUsage();
    const { mean } = this.#histogram;
    this.#histogram.reset();
    // What it records is the time between two ticks, of which the resolution is not late.
    const lateMs = Number.isFinite(mean) ? mean / 1e6 - LOOP_RESOLUTION_MS : 0;
    return { cpuMicros: user + system, loopDelayMs: Math.max(0, lateMs) };
  }

  stop(): void {
    this.#histogram.disable();
  }
}

export interface LoadMeterOptions {
  readonly usage: () => Usage;
  readonly counts: () => { readonly sessions: number; readonly channels: number };
  /** CPUs that the relay may use. */
  readonly cpus: number;
  /** Milliseconds of a clock that nobody sets. */
  readonly nowMs: () => number;
}

/** The load between one look and the next. */
export class LoadMeter {
  readonly #options: LoadMeterOptions;
  #last: { readonly usage: Usage; readonly atMs: number };

  constructor(options: LoadMeterOptions) {
    this.#options = options;
    this.#last = { usage: options.usage(), atMs: options.nowMs() };
  }

  look(): Load {
    const { counts, cpus, nowMs } = this.#options;
    const usage = this.#options.usage();
    const atMs = nowMs();
    const passedMs = Math.max(1, atMs - this.#last.atMs);
    const cpuMs = (usage.cpuMicros - this.#last.usage.cpuMicros) / 1000;
    const bytes = usage.bytes - this.#last.usage.bytes;
    this.#last = { usage, atMs };
    const { sessions, channels } = counts();
    return {
      sessions,
      channels,
      bytesPerS: Math.max(0, Math.round((bytes * 1000) / passedMs)),
      cpuShare: rounded(Math.min(1, Math.max(0, cpuMs / (passedMs * cpus)))),
      loopDelayMs: rounded(Math.min(LOOP_DELAY_MS_MAX, usage.loopDelayMs)),
    };
  }
}

/** Numbers that people read. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** Fifty ticks a second, which the runtime itself counts. */
const LOOP_RESOLUTION_MS = 20;
/** The contract's bound. */
const LOOP_DELAY_MS_MAX = 60_000;
