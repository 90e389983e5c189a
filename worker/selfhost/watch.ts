/** Watches a part that runs: asks it again and again whether it answers, and ends one that hangs. */
import type { RunningPart } from "./keeper.ts";
import { isHanging, lengthen, type Silence, type WatchLimits } from "./watch-rules.ts";

export interface Watch {
  /** As it begins a sentence. */
  readonly name: string;
  readonly limits: WatchLimits;
  /** Whether it answers within so many milliseconds, whatever it says. Never rejects. */
  readonly ask: (deadlineMs: number) => Promise<boolean>;
  /** Ends it at once: one that hangs obeys no request. */
  readonly kill: () => void;
  /** Milliseconds on a clock that only moves forward. */
  readonly nowMs: () => number;
  /** Rejects when the signal is aborted first. */
  readonly wait: (delayMs: number, signal: AbortSignal) => Promise<void>;
  readonly tell: (line: string) => void;
}

/** The same part, watched from when it is ready until it has ended or is asked to. */
export function watched(part: RunningPart, watch: Watch): RunningPart {
  const over = new AbortController();
  void part.ended.then(() => over.abort());
  part.ready.then(
    async () => await endOnceItHangs(watch, over.signal),
    // Its keeper tells why it was not ready.
    () => {},
  );
  const stop = async (): Promise<void> => {
    over.abort();
    await part.stop();
  };
  return { ready: part.ready, ended: part.ended, stop };
}

async function endOnceItHangs(watch: Watch, signal: AbortSignal): Promise<void> {
  const silence = await awaitHanging(watch, signal);
  if (silence !== null) {
    const seconds = Math.round((silence.untilMs - silence.sinceMs) / 1000);
    watch.tell(`${watch.name} runs and has answered nothing for ${seconds} s: it is killed.`);
    watch.kill();
  }
}

/** Null when the signal was aborted first. */
async function awaitHanging(watch: Watch, signal: AbortSignal): Promise<Silence | null> {
  const { limits, nowMs } = watch;
  let silence: Silence | null = null;
  while (silence === null || !isHanging(silence, limits)) {
    if (!(await waitUnlessOver(watch, signal))) {
      return null;
    }
    const askedAtMs = nowMs();
    const isAnswered = await watch.ask(limits.answerMs);
    if (signal.aborted) {
      return null;
    }
    silence = isAnswered ? null : lengthen(silence, { askedAtMs, endedAtMs: nowMs() }, limits);
  }
  return silence;
}

async function waitUnlessOver({ limits, wait }: Watch, signal: AbortSignal): Promise<boolean> {
  try {
    await wait(limits.everyMs, signal);
  } catch {
    return false;
  }
  return !signal.aborted;
}
