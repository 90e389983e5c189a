/**
 * A reconnect storm: relays are linked, sessions live on them, grants wait to be used; workerd is
 * killed, orders are given while the relays come back, and in the end nothing may be lost. The
 * storm finds out what was, and how long it took.
 */
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { type ApiPool, inTurns, type PoolAnswer, type PoolCall } from "../api-pool.ts";
import { eventually } from "../deadline.ts";
import { consoleOf, type LivingSession, sessionOf } from "./double-rows.ts";
import type { RelayDouble } from "./relay-double.ts";
import {
  type GivenOrder,
  judgeDouble,
  judgeStored,
  judgeTickets,
  type StoredSession,
} from "./storm-findings.ts";

export interface Storm {
  readonly doubles: readonly RelayDouble[];
  readonly api: ApiPool;
  /** An admin's. */
  readonly token: string;
  /** Cuts every link, such as by killing workerd. */
  readonly cut: () => void;
  /** Each relay's network stays away for a part of this, by chance; 0: all come back at once. */
  readonly awayMs: number;
}

export interface StormOutcome {
  /** From the cut to the welcome, for each relay. */
  readonly backMs: readonly number[];
  readonly orders: number;
  /** Of them, those whose relay was away, and heard of them when it came back. */
  readonly keptOrders: number;
  readonly tickets: {
    readonly good: number;
    readonly refused: number;
    readonly unanswered: number;
  };
  /** Orders that came twice to the same relay, of which the second did nothing. */
  readonly repeatedOrders: number;
  /** What was lost; each a sentence. */
  readonly findings: readonly string[];
}

/** Runs the storm on doubles that are linked. */
export async function runStorm(storm: Storm): Promise<StormOutcome> {
  const run = new StormRun(storm);
  return await run.run();
}

class StormRun {
  readonly #storm: Storm;
  readonly #orders = new Map<number, GivenOrder[]>();
  readonly #good = new Set<string>();
  readonly #tickets = { refused: 0, unanswered: 0 };
  #keptOrders = 0;
  #cutAtMs = Number.POSITIVE_INFINITY;

  constructor(storm: Storm) {
    this.#storm = storm;
  }

  async run(): Promise<StormOutcome> {
    const { doubles } = this.#storm;
    await inTurns(CALLERS, doubles.length, async (number) => await this.#askTicket(number));
    // Some orders are under way as the links are cut.
    const ordering = inTurns(CALLERS, doubles.length, async (number) => {
      if (number === Math.floor(doubles.length * ORDERED_BEFORE_CUT)) {
        this.#cut();
      }
      await this.#order(number);
    });
    const asking = ordering.then(async () => await this.#askTicketsUntilBack());
    await Promise.all([ordering, asking]);
    await this.#settled();
    return await this.#outcome();
  }

  #cut(): void {
    const { doubles, awayMs, cut } = this.#storm;
    this.#cutAtMs = performance.now();
    for (const double of doubles) {
      double.cutOffUntil(this.#cutAtMs + Math.random() * awayMs);
    }
    cut();
  }

  /** Two sessions end one after the other; of some relays a console is deleted as well. */
  async #order(number: number): Promise<void> {
    for (const session of ["first", "second"] as const) {
      const path = `/sessions/${sessionOf(number, session)}/terminate`;
      await this.#give({ number, session }, { method: "POST", path });
    }
    if (number % DELETED_EACH === 0) {
      const path = `/consoles/${consoleOf(number, "third")}`;
      await this.#give({ number, session: "third" }, { method: "DELETE", path });
    }
  }

  /** Gives an order until the control plane says that it has it. */
  async #give(
    order: { readonly number: number; readonly session: LivingSession },
    call: Omit<PoolCall, "token">,
  ): Promise<void> {
    const { number, session } = order;
    const answer = await eventually(
      `the order ${call.path} is taken`,
      async () => {
        const said = await this.#call(call);
        return said !== null && isTaken(said) ? said : null;
      },
      { timeoutMs: ORDER_DEADLINE_MS, intervalMs: 100 },
    );
    this.#keptOrders += answer.status === 503 ? 1 : 0;
    const given = { double: number, session, givenAtMs: performance.now() };
    this.#orders.set(number, [...(this.#orders.get(number) ?? []), given]);
  }

  async #askTicketsUntilBack(): Promise<void> {
    const { doubles } = this.#storm;
    for (let number = 0; !doubles.every((double) => this.#isBack(double)); number += 1) {
      await this.#askTicket(number % doubles.length);
      await delay(TICKET_PAUSE_MS);
      if (performance.now() - this.#cutAtMs > BACK_DEADLINE_MS) {
        return;
      }
    }
  }

  async #askTicket(number: number): Promise<void> {
    const path = `/consoles/${consoleOf(number, "free")}/tickets`;
    const answer = await this.#call({ method: "POST", path, body: {} });
    if (answer === null) {
      this.#tickets.unanswered += 1;
    } else if (answer.status === 201) {
      this.#good.add(ticketSchema.parse(answer.json).sessionId);
    } else if (answer.status === 503) {
      this.#tickets.refused += 1;
    } else {
      throw new Error(`POST ${path} answered ${answer.status} ${answer.code}`);
    }
  }

  /** Null when there is no answer. */
  async #call(call: Omit<PoolCall, "token">): Promise<PoolAnswer | null> {
    const { api, token } = this.#storm;
    return await api.call({ ...call, token }).catch(() => null);
  }

  #isBack(double: RelayDouble): boolean {
    return double.isLinked && (double.linkedAtMs.at(-1) ?? 0) > this.#cutAtMs;
  }

  /** Waits until nothing is under way any more, or gives up: the findings then say what is amiss. */
  async #settled(): Promise<void> {
    const rest = async (): Promise<true | null> => {
      const { doubles } = this.#storm;
      const isQuiet = doubles.every((double) => this.#isBack(double) && double.hasToldAll);
      const isDone = doubles.every((double, number) => this.#judge(double, number).length === 0);
      return isQuiet && isDone ? true : null;
    };
    const options = { timeoutMs: SETTLE_DEADLINE_MS, intervalMs: 100 };
    await eventually("everything has arrived", rest, options).catch(() => null);
  }

  #judge(double: RelayDouble, number: number): string[] {
    return judgeDouble(number, double, this.#orders.get(number) ?? []);
  }

  async #outcome(): Promise<StormOutcome> {
    const { doubles } = this.#storm;
    const good = this.#good;
    const findings = [
      ...doubles.flatMap((double, number) => this.#judge(double, number)),
      ...judgeTickets(doubles, { good, unanswered: this.#tickets.unanswered }),
      ...(await this.#judgeStored()),
    ];
    return {
      backMs: doubles.map(({ linkedAtMs }) => this.#backAtMs(linkedAtMs) - this.#cutAtMs),
      orders: [...this.#orders.values()].flat().length,
      keptOrders: this.#keptOrders,
      tickets: { good: good.size, ...this.#tickets },
      repeatedOrders: doubles.reduce((sum, double) => sum + repeatedOrders(double), 0),
      findings,
    };
  }

  /** Of the link that has lasted. */
  #backAtMs(linkedAtMs: readonly number[]): number {
    return linkedAtMs.findLast((atMs) => atMs > this.#cutAtMs) ?? Number.NaN;
  }

  async #judgeStored(): Promise<string[]> {
    const { doubles, api, token } = this.#storm;
    const findings: string[] = [];
    await inTurns(CALLERS, doubles.length, async (number) => {
      const stored = new Map<string, StoredSession>();
      for (const which of ["first", "second", "third", "fourth"] as const) {
        const id = sessionOf(number, which);
        const { json } = await api.call({ method: "GET", path: `/sessions/${id}`, token });
        stored.set(id, storedSchema.parse(json));
      }
      const ordered = (this.#orders.get(number) ?? []).map(({ session }) => session);
      findings.push(...judgeStored(number, stored, ordered));
      const relay = { method: "GET", path: `/relays/${doubles[number]?.id}`, token } as const;
      const { state } = relaySchema.parse((await api.call(relay)).json);
      findings.push(...(state === "online" ? [] : [`relay ${number} is shown ${state}`]));
    });
    return findings;
  }
}

/** Whether the control plane has the order: told, kept until the relay is back, or done already. */
function isTaken({ status, code }: PoolAnswer): boolean {
  const isKept = code === "control.offline" || code === "control.ack-timeout";
  // A deletion whose answer was lost finds nothing when it is asked for again.
  return [200, 202, 204, 404].includes(status) || (status === 503 && isKept);
}

function repeatedOrders({ applied }: RelayDouble): number {
  const ids = applied.flatMap(({ kind, sessionId }) => (kind === "terminate" ? [sessionId] : []));
  return ids.length - new Set(ids).size;
}

const ticketSchema = z.looseObject({ sessionId: z.string() });
const relaySchema = z.looseObject({ state: z.string() });
const storedSchema = z.looseObject({ state: z.string(), endReason: z.string().nullable() });

/** Calls under way at once. */
const CALLERS = 8;
/** Which part of the orders is given before the links are cut. */
const ORDERED_BEFORE_CUT = 0.2;
/** Of each so many relays one has a console deleted: a denial, which every relay is told. */
const DELETED_EACH = 5;
const TICKET_PAUSE_MS = 50;
/** Longer than workerd takes to come back, and than a push may wait. */
const ORDER_DEADLINE_MS = 60_000;
/** The longest absence, the longest back-off after it, and a crowd at the door. */
const BACK_DEADLINE_MS = 120_000;
const SETTLE_DEADLINE_MS = 60_000;
