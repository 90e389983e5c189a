/**
 * Keeps one part of the host running: starts it, starts it again when it ends, waits longer each
 * time, and gives up with a sentence when it ends over and over. What the part is it does not know.
 */
import { judgeEnd, recentEnds, RESTART_LIMITS } from "./restart-rules.ts";

/** One life of a part. */
export interface RunningPart {
  /** Settles once it serves; rejects with a sentence when it ends before, or takes too long. */
  readonly ready: Promise<void>;
  /** How it ended, such as "SIGKILL" or "exit code 1". Never rejects; comes in every case. */
  readonly ended: Promise<string>;
  /** Ends it. Idempotent. */
  stop(): Promise<void>;
}

export interface KeptPart {
  /** As it begins a sentence. */
  readonly name: string;
  begin(): RunningPart;
}

export interface KeeperPorts {
  /** Milliseconds on a clock that only moves forward. */
  readonly nowMs: () => number;
  /** Rejects when the signal is aborted first. */
  readonly wait: (delayMs: number, signal: AbortSignal) => Promise<void>;
  readonly tell: (line: string) => void;
}

export class Keeper {
  readonly #part: KeptPart;
  readonly #ports: KeeperPorts;
  readonly #gaveUp = Promise.withResolvers<string>();
  readonly #stop = new AbortController();
  #running: RunningPart | null = null;
  #endedAtMs: readonly number[] = [];

  constructor(part: KeptPart, ports: KeeperPorts) {
    this.#part = part;
    this.#ports = ports;
  }

  /** Settles with a sentence once there is no use in going on. */
  get gaveUp(): Promise<string> {
    return this.#gaveUp.promise;
  }

  /** The first start. Rejects with the part's sentence; nothing is tried again then. */
  async start(): Promise<void> {
    const first = this.#begin();
    await first.ready;
    this.#keep(first).catch((error: unknown) => this.#gaveUp.resolve(String(error)));
  }

  /** Ends the part, and every attempt to start it. Idempotent. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running?.stop();
  }

  async #keep(first: RunningPart): Promise<void> {
    const { tell, nowMs } = this.#ports;
    for (let running = first; ; running = this.#begin()) {
      this.#tellWhenReadyAgain(running, running !== first);
      const how = await running.ended;
      if (this.#stop.signal.aborted) {
        return;
      }
      this.#endedAtMs = [...recentEnds(this.#endedAtMs, nowMs()), nowMs()];
      const verdict = judgeEnd(this.#endedAtMs, nowMs());
      if (verdict.kind === "give-up") {
        this.#gaveUp.resolve(
          `${this.#part.name} ended ${verdict.ends} times within ` +
            `${RESTART_LIMITS.windowMs / 1000} s, at last with ${how}: it is not started again.`,
        );
        return;
      }
      tell(`${this.#part.name} ended (${how}); it is started again in ${verdict.afterMs} ms.`);
      if (!(await this.#waitUnlessStopped(verdict.afterMs))) {
        return;
      }
    }
  }

  async #waitUnlessStopped(delayMs: number): Promise<boolean> {
    const { signal } = this.#stop;
    try {
      await this.#ports.wait(delayMs, signal);
    } catch {
      return false;
    }
    return !signal.aborted;
  }

  #begin(): RunningPart {
    const running = this.#part.begin();
    this.#running = running;
    return running;
  }

  #tellWhenReadyAgain(running: RunningPart, isAgain: boolean): void {
    running.ready.then(
      () => {
        if (isAgain) {
          this.#ports.tell(`${this.#part.name} serves again.`);
        }
      },
      // Why it was not ready; that it ended is told by its end.
      (error: unknown) => {
        this.#ports.tell(error instanceof Error ? error.message : String(error));
      },
    );
  }
}
