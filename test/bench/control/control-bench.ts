/**
 * `npm run bench -- control`: what a self-hosted control plane bears at the size that it is designed
 * for: tickets, lists, logins, orders to relays, memory, and a storm of relays that come back. Each
 * answer is looked at, and what was lost fails the benchmark; no figure does.
 */
import { parseArgs } from "node:util";
import { SCENE, startControlScene } from "./control-scene.ts";
import { readHostMemory } from "./host-memory.ts";
import { measureLists, measureLogins } from "./lists-and-logins.ts";
import { measureOrders } from "./orders.ts";
import { measureStorm, type StormFigure } from "./storms.ts";
import type { CallFigure } from "./summary.ts";
import { measureTickets } from "./tickets.ts";

/** Prints the figures; `--json` prints one object, `--rounds` says how often each is taken. */
export async function runControlBench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { json: { type: "boolean" }, rounds: { type: "string", default: "5" } },
  });
  const figures = await measureAll(Number(values.rounds));
  if (values.json === true) {
    console.log(JSON.stringify(figures));
  } else {
    printAll(figures);
  }
  if (figures.storm.findings.length > 0) {
    throw new Error(`the storm has lost something:\n${figures.storm.findings.join("\n")}`);
  }
}

type Figures = Awaited<ReturnType<typeof measureAll>>;

async function measureAll(rounds: number) {
  const startedMs = performance.now();
  await using scene = await startControlScene();
  const linked = readHostMemory(scene.place);
  say(startedMs, "the scene is set");
  const { sessionIds, ...tickets } = await measureTickets(scene, rounds);
  say(startedMs, "tickets");
  // The newest are good for two minutes.
  const orders = await measureOrders(scene, sessionIds.slice(-ORDERED));
  say(startedMs, "orders");
  const lists = await measureLists(scene, rounds);
  say(startedMs, "lists");
  const logins = await measureLogins(scene, rounds);
  say(startedMs, "logins");
  const afterLoad = readHostMemory(scene.place);
  const storm = await measureStorm(scene, STORM_AWAY_MS_MAX);
  return {
    scene: SCENE,
    rounds,
    tickets,
    orders,
    lists,
    logins,
    memory: { idle: scene.idle, linked, afterLoad },
    storm,
  };
}

function printAll({ tickets, orders, lists, logins, memory, storm }: Figures): void {
  const { calls, callToRelay, relayToAnswer } = tickets;
  printCalls("Tickets", { ...calls, "call to relay": callToRelay, "to answer": relayToAnswer });
  printCalls("Orders", orders);
  printCalls("Lists", lists);
  printCalls("Logins", logins);
  for (const [when, parts] of Object.entries(memory)) {
    console.log(`Memory, ${when}`);
    console.table(parts);
  }
  printStorm(storm);
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
