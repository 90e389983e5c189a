/**
 * `npm run bench -- selfhost`: how long a self-hosted control plane takes to start, to come back
 * after a part was killed, and to stop, and what its processes keep in memory. Prints tables, or one
 * object with `--json`.
 */
import { readFile } from "node:fs/promises";
import { eventually } from "../harness/deadline.ts";
import { HostPlace, type RunningHost, SELFHOST, SELFHOST_PARTS } from "../harness/running-host.ts";
import { figureOf } from "./figure.ts";
import { readCpuS, readEndedCpuS } from "./relay/process-usage.ts";

type Part = keyof typeof SELFHOST_PARTS;

/** Prints the figures; `--json` prints one object. */
export async function runSelfhostBench(args: readonly string[]): Promise<void> {
  const times: Times = {
    firstStart: [],
    firstStartCpu: [],
    laterStart: [],
    laterStartCpu: [],
    workerdBack: [],
    databaseBack: [],
    stop: [],
  };
  const memory = { idle: [], afterRequests: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    await measureRound(times, memory);
  }
  const milliseconds = mapValues(times, figureOf);
  const residentMB = mapValues(memory, largestOf);
  if (args.includes("--json")) {
    console.log(JSON.stringify({ milliseconds, residentMB }));
  } else {
    console.table(milliseconds);
    console.table(residentMB);
  }
}

type Memory = Readonly<Record<Part, number>>;

type Times = Record<
  | "firstStart"
  | "firstStartCpu"
  | "laterStart"
  | "laterStartCpu"
  | "workerdBack"
  | "databaseBack"
  | "stop",
  number[]
>;

async function measureRound(
  times: Times,
  memory: Record<"idle" | "afterRequests", Memory[]>,
): Promise<void> {
  await using place = await HostPlace.make(SELFHOST);
  const first = await timed(times.firstStart, async () => await begin(place));
  times.firstStartCpu.push(await cpuMsOf(place, first));
  await stop(first);
  const later = await timed(times.laterStart, async () => await begin(place));
  times.laterStartCpu.push(await cpuMsOf(place, later));
  const host = await place.ready(later);
  memory.idle.push(await memoryOf(place));
  for (let count = 0; count < REQUESTS; count += 1) {
    await host.client.call("GET", "/consoles");
  }
  memory.afterRequests.push(await memoryOf(place));
  for (const part of ["workerd", "database"] as const) {
    await timed(times[`${part}Back`], async () => {
      process.kill(place.processRunning(SELFHOST_PARTS[part]), "SIGKILL");
      await eventually("it serves again", async () => await answers(host), { intervalMs: 5 });
    });
  }
  await timed(times.stop, async () => await stop(host.child));
}

/** From the command (without npm) to the line that says "ready". */
async function begin(place: HostPlace) {
  const child = await place.begin();
  await child.waitForOutput("stdout", /\n/, 60_000);
  return child;
}

/** What a start took of all processors together: it hardly depends on what else they do. */
async function cpuMsOf(place: HostPlace, child: RunningHost["child"]): Promise<number> {
  const supervisor = place.processRunning(SELFHOST_PARTS.supervisor);
  return 1_000 * ((await readCpuS(child.pid)) + (await readEndedCpuS(supervisor)));
}

async function stop(child: RunningHost["child"]): Promise<void> {
  child.signal("SIGTERM");
  await child.waitForExit(20_000);
}

/** Whether Worker and database both answer; null while they do not. */
async function answers(host: RunningHost): Promise<true | null> {
  const answer = await fetch(`${host.client.url}/healthz`).catch(() => null);
  return answer?.status === 200 ? true : null;
}

async function timed<Value>(into: number[], work: () => Promise<Value>): Promise<Value> {
  const startedMs = performance.now();
  const value = await work();
  into.push(performance.now() - startedMs);
  return value;
}

async function memoryOf(place: HostPlace): Promise<Memory> {
  const residentMB = async (part: Part): Promise<number> => {
    const pid = place.processRunning(SELFHOST_PARTS[part]);
    const status = await readFile(`/proc/${pid}/status`, "utf8");
    // What the kernel calls kB is 1,024 bytes.
    return Math.round((Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024) / 1e6);
  };
  return {
    supervisor: await residentMB("supervisor"),
    database: await residentMB("database"),
    workerd: await residentMB("workerd"),
  };
}

function largestOf(rounds: readonly Memory[]): Memory {
  const largest = (part: Part): number => Math.max(...rounds.map((memory) => memory[part]));
  return {
    supervisor: largest("supervisor"),
    database: largest("database"),
    workerd: largest("workerd"),
  };
}

function mapValues<Key extends string, From, To>(
  record: Readonly<Record<Key, From>>,
  change: (value: From) => To,
): Record<Key, To> {
  const entries = Object.entries<From>(record).map(([key, value]) => [key, change(value)]);
  return Object.fromEntries(entries) as Record<Key, To>;
}

const ROUNDS = 5;
const REQUESTS = 500;
