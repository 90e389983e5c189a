/** Tickets: the call, and the way of the grant that is in it from the call to its relay. */
import { z } from "zod";
import type { ControlScene } from "./control-scene.ts";
import { measureCalls } from "./measure.ts";
import { type CallFigure, type Round, summarizeCalls } from "./summary.ts";

export interface TicketFigures {
  /** By who asks: callers at once, and how many relays the console's site has. */
  readonly calls: Readonly<Record<string, CallFigure>>;
  /** From the call to the grant's arrival at its relay, which acknowledges it at once. */
  readonly callToRelay: CallFigure;
  /** From the grant's arrival to the answer: the acknowledgement's way back, and what follows. */
  readonly relayToAnswer: CallFigure;
  /** Sessions that were made and not opened, the newest last. */
  readonly sessionIds: readonly string[];
}

export async function measureTickets(scene: ControlScene, rounds: number): Promise<TicketFigures> {
  const sessionIds: string[] = [];
  let toRelayMs: number[] = [];
  let toAnswerMs: number[] = [];
  const consoles = { large: consolesOf(LARGE_SITE), small: consolesOf(SMALL_SITE) };
  const ask = (site: Site) => async (): Promise<void> => {
    const consoleId = consoles[site].next().value;
    const beganMs = performance.now();
    const sessionId = await requestTicket(scene, String(consoleId));
    const endedMs = performance.now();
    const arrivedMs = scene.arrivedAtMs.get(`grant ${sessionId}`);
    if (arrivedMs === undefined) {
      throw new Error(`the ticket of ${sessionId} was answered, and no relay has its grant`);
    }
    toRelayMs.push(arrivedMs - beganMs);
    toAnswerMs.push(endedMs - arrivedMs);
    sessionIds.push(sessionId);
  };
  const calls: Record<string, CallFigure> = {};
  const measure = async (callers: number, site: Site, count: number): Promise<void> => {
    const name = `${callers} at once, ${site} site`;
    calls[name] = await measureCalls({ callers, calls: count, rounds, call: ask(site) });
  };
  await measure(8, "large", 200);
  await measure(32, "large", 200);
  await measure(8, "small", 400);
  await measure(1, "large", 100);
  [toRelayMs, toAnswerMs] = [[], []];
  await measure(1, "small", 100);
  return {
    calls,
    callToRelay: summarizeCalls(1, [roundOf(toRelayMs)]),
    relayToAnswer: summarizeCalls(1, [roundOf(toAnswerMs)]),
    sessionIds,
  };
}

type Site = "large" | "small";

async function requestTicket({ api, tokens }: ControlScene, consoleId: string): Promise<string> {
  const path = `/consoles/${consoleId}/tickets`;
  const answer = await api.call({ method: "POST", path, token: tokens.seesAll, body: {} });
  if (answer.status !== 201) {
    throw new Error(`POST ${path} answered ${answer.status} ${answer.code}`);
  }
  return ticketSchema.parse(answer.json).sessionId;
}

/** Consoles of the site that nobody uses: those of even numbers (large-rows.ts). */
function* consolesOf(isOf: (number: number) => boolean): Generator<string> {
  for (let number = 10_000; ; number += 2) {
    if (isOf(number)) {
      yield `con_${number}`;
    }
  }
}

function roundOf(callMs: readonly number[]): Round {
  return { callMs, wallMs: callMs.reduce((sum, each) => sum + each, 0) };
}

/** The site of the source with that number has few relays. */
const SMALL_SITE = (number: number): boolean => number % 20 === 2;
const LARGE_SITE = (number: number): boolean => !SMALL_SITE(number);
const ticketSchema = z.looseObject({ sessionId: z.string() });
