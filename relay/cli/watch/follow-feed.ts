/**
 * Follows a feed of the API for as long as somebody watches: comes again when a connection ends,
 * with the id of the last event, so that nothing is missed. A feed that cannot be had at first, that
 * refuses, or that stays away for minutes is a failure.
 */
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { ApiFailure } from "../../control/http-json.ts";
import { EventStreamReader, type ServerSentEvent } from "./event-stream.ts";

export type FeedItem =
  | { readonly kind: "event"; readonly event: ServerSentEvent }
  /** The connection is gone; the next try comes after so long. */
  | { readonly kind: "lost"; readonly sentence: string; readonly waitMs: number };

/** The outside of following. */
export interface FeedPorts {
  /** One connection's bytes; a failure is the last thing that comes. */
  readonly connect: (lastEventId: string | null) => AsyncIterable<Result<Uint8Array, ApiFailure>>;
  /** Resolves after so many milliseconds, or as soon as `signal` is aborted. */
  readonly wait: (ms: number) => Promise<void>;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Ends the following. */
  readonly signal: AbortSignal;
}

/** Ends without a word when the signal is aborted; else a failure is the last thing that comes. */
export async function* followFeed(
  ports: FeedPorts,
): AsyncGenerator<Result<FeedItem, ApiFailure>, void> {
  const { random, signal, wait } = ports;
  let last: ServerSentEvent | null = null;
  let triesInVain = 0;
  while (!signal.aborted) {
    const connection = readConnection(ports.connect(last?.id ?? null));
    let failure: ApiFailure | null = null;
    let isHeard = false;
    for await (const event of connection) {
      if (!event.ok) {
        failure = event.error;
        break;
      }
      last = event.value;
      isHeard = true;
      triesInVain = 0;
      yield ok({ kind: "event", event: last });
    }
    if (signal.aborted) {
      return;
    }
    if (isHeard && failure === null) {
      // The control plane ends each answer after some minutes: that is no loss.
      await wait(last?.retryMs ?? COME_AGAIN_MS);
      continue;
    }
    const reason: ApiFailure = failure ?? SILENT;
    triesInVain += 1;
    if (last === null || !mayPass(reason) || triesInVain > TRIES_MAX) {
      yield fail(reason);
      return;
    }
    const waitMs = backOffMs(triesInVain, random());
    yield ok({ kind: "lost", sentence: isHeard ? BROKEN_OFF : reason.sentence, waitMs });
    await wait(waitMs);
  }
}

async function* readConnection(
  chunks: AsyncIterable<Result<Uint8Array, ApiFailure>>,
): AsyncGenerator<Result<ServerSentEvent, ApiFailure>> {
  const reader = new EventStreamReader();
  for await (const chunk of chunks) {
    const events = chunk.ok ? reader.push(chunk.value) : chunk;
    if (!events.ok) {
      yield fail(events.error === "too-long" ? OVERLONG : events.error);
      return;
    }
    for (const event of events.value) {
      yield ok(event);
    }
  }
}

/** Whether it may be otherwise in a while without anybody's doing. */
function mayPass({ kind, status }: ApiFailure): boolean {
  return kind === "unreachable" || kind === "deadline" || status === 429 || (status ?? 0) >= 500;
}

/** Longer and longer; of many who lost the same control plane not all come again at once. */
function backOffMs(tries: number, random: number): number {
  const ms = Math.min(COME_AGAIN_MS * 2 ** (tries - 1), BACK_OFF_MS_MAX);
  return Math.round(ms * (0.5 + random / 2));
}

const none = { status: null, code: null } as const;
const BROKEN_OFF = "The connection to the control plane was lost.";
const SILENT: ApiFailure = {
  ...none,
  kind: "unreachable",
  sentence: "The control plane's feed ended before it had begun.",
};
const OVERLONG: ApiFailure = {
  ...none,
  kind: "malformed",
  sentence: "The control plane's feed sent an event that is too long to be one.",
};
/** Unless the feed says otherwise. */
const COME_AGAIN_MS = 1_000;
const BACK_OFF_MS_MAX = 30_000;
/** Some five minutes: longer than a control plane is away while it is started anew. */
const TRIES_MAX = 14;
