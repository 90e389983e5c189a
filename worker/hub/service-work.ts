/**
 * Performs the hub's effects that need the database. What changes something runs one after the
 * other, in the order it was asked for; look-ups run beside it. Each has a deadline, each feeds its
 * outcome back as an input, and a failure is an outcome: nothing here throws.
 */
import { DENIALS_PER_MESSAGE_MAX } from "#shared/control/denials.ts";
import { LOOKUP_DEADLINE_MS, RELAY_CLOCK_SKEW_SECONDS } from "#shared/control/limits.ts";
import { logFailure, logNotice } from "../log.ts";
import type { ServiceContext } from "../services/context.ts";
import { expireSessions } from "../services/unopened-sessions.ts";
import { storeRelayEvents } from "../services/relay-events.ts";
import { lookUpGrant } from "../services/relay-lookups.ts";
import {
  auditRelayRefusal,
  endSessionsOfLostRelay,
  markRelayLoad,
  markRelayOffline,
  markRelayServing,
  welcomeRelay,
} from "../services/relay-presence.ts";
import { isolatePorts, WorkGate } from "../work-gate.ts";
import type { HubEffect, HubInput, LookupAnswer, WelcomeFacts } from "./hub-state.ts";
import { workOnKeys } from "./key-work.ts";
import { linkRefusal } from "./link-refusals.ts";
import { withDeadline } from "./with-deadline.ts";

/** The effects that need a service. */
export type ServiceEffect = Extract<
  HubEffect,
  {
    kind:
      | "greet"
      | "store-events"
      | "store-serving"
      | "store-load"
      | "look-up"
      | "load-keys"
      | "serve-request"
      | "mark-offline"
      | "end-sessions"
      | "expire-sessions"
      | "audit-refusal";
  }
>;

export interface ServiceWorkPorts {
  /** A new context: one for each piece of work. */
  readonly openContext: () => ServiceContext;
  readonly relayId: string;
  /** Whether that socket still counts; work for one that does not is skipped. */
  readonly isCurrent: (linkId: string) => boolean;
  /** Whether the relay has a link, or one is being made. */
  readonly hasLink: () => boolean;
  readonly feed: (input: HubInput) => void;
}

/**
 * How many hubs of this isolate tell the database at once that their relay has gone. Hundreds do
 * when the control plane was restarted, or a network broke. The database has one writer: told by all
 * at once it would be late for everybody, the greetings of relays that are back among them.
 */
const LOSSES_TOLD = {
  // It writes for one after the other; a few keep it busy.
  placesMax: 4,
  // Beyond, a loss is told with the next try (PRESENCE_RETRY_MS).
  waitingMax: 2_000,
  // Seldom enough that hundreds who wait take little of the thread.
  lookEveryMs: 250,
};

export class ServiceWork {
  readonly #running = new Set<Promise<void>>();
  #last: Promise<void> = Promise.resolve();

  /** Begins the work; its outcome is fed back later, never during this call. */
  start(effect: ServiceEffect, ports: ServiceWorkPorts): void {
    const before = effect.kind === "look-up" ? Promise.resolve() : this.#last;
    const work = before.then(async () => {
      await run(effect, ports);
    });
    if (effect.kind !== "look-up") {
      this.#last = work;
    }
    this.#running.add(work);
    void work.finally(() => {
      this.#running.delete(work);
    });
  }

  /** When everything that was started, and what it led to, is done. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) {
      await Promise.all(this.#running);
    }
  }
}

async function run(effect: ServiceEffect, ports: ServiceWorkPorts): Promise<void> {
  const isOutdated = "linkId" in effect && !ports.isCurrent(effect.linkId);
  // Whoever had the keys told is waiting for a word, also when the link is gone.
  if (isOutdated && effect.kind !== "load-keys") {
    return;
  }
  switch (effect.kind) {
    case "greet":
      await greet(effect, ports);
      break;
    case "store-events":
      await storeEvents(effect, ports);
      break;
    case "store-serving": {
      const { linkId, draining } = effect;
      const done = await attempt(effect.kind, ports, async (context) => {
        await markRelayServing(context, ports.relayId, draining);
        return true;
      });
      ports.feed({ kind: "serving-stored", linkId, done: done ?? false });
      break;
    }
    case "store-load":
      await attempt(effect.kind, ports, async (context) => {
        await markRelayLoad(context, ports.relayId, effect);
      });
      break;
    case "look-up":
      await lookUp(effect, ports);
      break;
    case "load-keys":
    case "serve-request":
      await workOnKeys(effect, {
        ...ports,
        attempt: async (work) => await attempt(effect.kind, ports, work),
      });
      break;
    case "mark-offline":
    case "end-sessions":
      await tellLoss(effect, ports);
      break;
    case "expire-sessions": {
      const found = await attempt(effect.kind, ports, async (context) => {
        return { nextMs: await expireSessions(context, ports.relayId) };
      });
      ports.feed({
        kind: "sessions-expired",
        done: found !== undefined,
        nextMs: found?.nextMs ?? null,
      });
      break;
    }
    case "audit-refusal":
      await attempt(effect.kind, ports, async (context) => {
        await auditRelayRefusal(context, ports.relayId, effect);
      });
      break;
  }
}

/** A relay that is back meanwhile is not told of: its greeting says the opposite. */
async function tellLoss(
  effect: Extract<ServiceEffect, { kind: "mark-offline" | "end-sessions" }>,
  ports: ServiceWorkPorts,
): Promise<void> {
  const step = effect.kind === "mark-offline" ? "marked" : "ended";
  const leave = await lossGate.enter(() => !ports.hasLink());
  if (leave === null) {
    ports.feed({ kind: "presence-saved", step, done: false });
    return;
  }
  const done = await attempt(effect.kind, ports, async (context) => {
    await (effect.kind === "mark-offline"
      ? markRelayOffline(context, ports.relayId, effect.code)
      : endSessionsOfLostRelay(context, ports.relayId));
    return true;
  }).finally(leave);
  ports.feed({ kind: "presence-saved", step, done: done ?? false });
}

async function greet(
  effect: Extract<ServiceEffect, { kind: "greet" }>,
  ports: ServiceWorkPorts,
): Promise<void> {
  const { linkId } = effect;
  const greeted = await attempt(effect.kind, ports, async (context) => {
    return await welcomeRelay(context, ports.relayId, effect.hello, effect);
  });
  noteGreeting(ports.relayId, effect, greeted?.ok === true ? greeted.value : null);
  ports.feed(
    greeted === undefined || greeted.ok
      ? { kind: "greeted", linkId, welcome: greeted?.value ?? null }
      : { kind: "greeted", linkId, welcome: null, refusal: linkRefusal(greeted.error) },
  );
}

/** What an operator should look at, though nothing has failed. */
function noteGreeting(
  relayId: string,
  { skewMs }: Extract<ServiceEffect, { kind: "greet" }>,
  welcome: WelcomeFacts | null,
): void {
  if (skewMs !== null && Math.abs(skewMs) > RELAY_CLOCK_SKEW_SECONDS * 1000) {
    logNotice("relay.clock-off", { relayId, skewMs });
  }
  const told = welcome?.denials?.denials.length ?? 0;
  if (told >= DENIALS_PER_MESSAGE_MAX) {
    logNotice("relay.denials-cut", { relayId, told });
  }
}

async function storeEvents(
  effect: Extract<ServiceEffect, { kind: "store-events" }>,
  ports: ServiceWorkPorts,
): Promise<void> {
  const { linkId, stream, events } = effect;
  const storedSeq = await attempt(effect.kind, ports, async (context) => {
    return await storeRelayEvents(context, ports.relayId, stream, events);
  });
  ports.feed({ kind: "events-stored", linkId, stream, storedSeq: storedSeq ?? null });
}

async function lookUp(
  effect: Extract<ServiceEffect, { kind: "look-up" }>,
  ports: ServiceWorkPorts,
): Promise<void> {
  const { linkId, requestId, ticketHash } = effect;
  const found = await attempt(effect.kind, ports, async (context) => {
    return await lookUpGrant(context, ports.relayId, ticketHash);
  });
  const answer: LookupAnswer = found?.ok
    ? { requestId, grant: found.value, reason: null }
    : { requestId, grant: null, reason: found?.error ?? "unverifiable" };
  ports.feed({ kind: "lookup-done", linkId, answer });
}

/** The work's value; undefined, and a line in the log, when it failed or took too long. */
async function attempt<Value>(
  kind: ServiceEffect["kind"],
  ports: ServiceWorkPorts,
  work: (context: ServiceContext) => Promise<Value>,
): Promise<Value | undefined> {
  const deadlineMs = WORK_DEADLINES_MS[kind] ?? WORK_DEADLINE_MS;
  try {
    return await withDeadline(work(ports.openContext()), deadlineMs);
  } catch (error) {
    logFailure("hub.work-failed", error, { relayId: ports.relayId, work: kind });
    return undefined;
  }
}

/** Of all hubs of this isolate. */
const lossGate = new WorkGate(LOSSES_TOLD, isolatePorts);

/** Below HELLO_DEADLINE_MS, so that a relay hears why it is not welcomed. */
const WORK_DEADLINE_MS = 4_000;
const WORK_DEADLINES_MS: Readonly<Partial<Record<ServiceEffect["kind"], number>>> = {
  /** The relay gives up after LOOKUP_DEADLINE_MS; the rest is for the way there and back. */
  "look-up": LOOKUP_DEADLINE_MS - 500,
  /** The relay waits fifteen seconds for its events' acknowledgement, and would only send them again. */
  "store-events": 12_000,
};
