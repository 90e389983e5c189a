/**
 * `npm run bench -- control`: what a self-hosted control plane bears at the size that it is designed
 * for: tickets, lists, logins, orders to relays, memory, and a storm of relays that come back. Each
 * answer is looked at, and what was lost fails the benchmark; no figure does.
 */
import { parseArgs } from "node:util";
import { type ControlScene, SCENE, startControlScene } from "./control-scene.ts";
import { readHostMemory } from "./host-memory.ts";
import { measureLists, measureLogins } from "./lists-and-logins.ts";
import { measureOrders } from "./orders.ts";
import { measureStorm, type StormFigure } from "./storms.ts";
import type { CallFigure } from "./summary.ts";
import { measureTickets } from "./tickets.ts";

/**
 * Prints the figures; `--json` prints one object, `--rounds` says how often each is taken, `--only`
 * which of calls, logins and storm are measured.
 */
export async function runControlBench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: "boolean" },
      rounds: { type: "string", default: "5" },
      only: { type: "string" },
    },
  });
  const figures = await measureAll(Number(values.rounds), values.only ?? "calls,logins,storm");
  if (values.json === true) {
    console.log(JSON.stringify(figures));
  } else {
    printAll(figures);
  }
  const findings = figures.storm?.findings ?? [];
  if (findings.length > 0) {
    throw new Error(`the storm has lost something:\n${findings.join("\n")}`);
  }
}

type Figures = Awaited<ReturnType<typeof measureAll>>;

async function measureAll(rounds: number, only: string) {
  const startedMs = performance.now();
  const wanted = new Set(only.split(","));
  await using scene = await startControlScene();
  const linked = readHostMemory(scene.place);
  say(startedMs, "the scene is set");
  const calls = wanted.has("calls") ? await measureAllCalls(scene, rounds) : null;
  say(startedMs, "calls");
  const logins = wanted.has("logins") ? await measureLogins(scene, rounds) : {};
  say(startedMs, "logins");
  const afterLoad = readHostMemory(scene.place);
  const storm = wanted.has("storm") ? await measureStorm(scene, STORM_AWAY_MS_MAX) : null;
  say(startedMs, "storm");
  return {
    ...{ scene: SCENE, rounds, calls, logins, storm },
    memory: { idle: scene.idle, linked, afterLoad },
  };
}

async function measureAllCalls(scene: ControlScene, rounds: number) {
  const { sessionIds, ...tickets } = await measureTickets(scene, rounds);
  // The newest are good for two minutes.
  const orders = await measureOrders(scene, sessionIds.slice(-ORDERED));
  return { tickets, orders, lists: await measureLists(scene, rounds) };
}

function printAll({ calls, logins, memory, storm }: Figures): void {
  if (calls !== null) {
    const { callToRelay, relayToAnswer } = calls.tickets;
    const parts = { "call to relay": callToRelay, "relay to answer": relayToAnswer };
    printCalls("Tickets", { ...calls.tickets.calls, ...parts });
    printCalls("Orders", calls.orders);
    printCalls("Lists", calls.lists);
  }
  printCalls("Logins", logins);
  for (const [when, parts] of Object.entries(memory)) {
    console.log(`Memory, ${when}`);
    console.table(parts);
  }
  if (storm !== null) {
    printStorm(storm);
  }
}

function printCalls(title: string, figures: Readonly<Record<string, CallFigure>>): void {
  const rows = Object.entries(figures).map(([what, figure]) => [
    what,
    {
      callers: figure.callers,
      calls: figure.calls,
      "per second": `${figure.perSecond} (${figure.perSecondMin} to ${figure.perSecondMax})`,
      "p50 ms": `${figure.p50Ms} (${figure.p50MsMin} to ${figure.p50MsMax})`,
      "p99 ms": `${figure.p99Ms} (${figure.p99MsMin} to ${figure.p99MsMax})`,
      "max ms": figure.maxMs,
    },
  ]);
  console.log(title);
  console.table(Object.fromEntries(rows));
}

function printStorm({ memory, findings, tickets, ...storm }: StormFigure): void {
  console.log("Reconnect storm");
  console.table({ ...storm, lost: findings.length });
  console.table(tickets);
  console.table(memory);
}

/** On standard error: it takes minutes. */
function say(startedMs: number, what: string): void {
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  process.stderr.write(`${seconds} s: ${what}\n`);
}

const ORDERED = 90;
/** With the longest back-off behind it every relay is back within a minute. */
const STORM_AWAY_MS_MAX = 40_000;
