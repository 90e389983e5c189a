/** What the host's processes keep in memory, as the kernel tells it. */
import { readFileSync } from "node:fs";
import { type HostPlace, SELFHOST_PARTS } from "../../harness/running-host.ts";

type Part = keyof typeof SELFHOST_PARTS;

/** Megabytes of 1,000,000 bytes. */
export interface PartMemory {
  readonly residentMB: number;
  /** What is shared with other processes counts in parts (PSS). */
  readonly proportionalMB: number;
  /** The most that was resident since the process began. */
  readonly residentPeakMB: number;
}

export function readHostMemory(place: HostPlace): Record<Part, PartMemory> {
  return {
    supervisor: readMemory(place, "supervisor"),
    database: readMemory(place, "database"),
    workerd: readMemory(place, "workerd"),
  };
}

function readMemory(place: HostPlace, part: Part): PartMemory {
  const pid = place.processRunning(SELFHOST_PARTS[part]);
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return {
    residentMB: megabytes(/^VmRSS:\s+(\d+) kB$/m.exec(status)),
    proportionalMB: megabytes(/^Pss:\s+(\d+) kB$/m.exec(rollup)),
    residentPeakMB: megabytes(/^VmHWM:\s+(\d+) kB$/m.exec(status)),
  };
}

/** What the kernel calls kB is 1,024 bytes. */
function megabytes(found: RegExpExecArray | null): number {
  return Math.round((Number(found?.[1]) * 1_024) / 1e6);
}
