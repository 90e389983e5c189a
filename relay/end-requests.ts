/**
 * What tells a relay's process to end, and whether it was told twice. One Ctrl-C arrives as two
 * signals when a launcher forwards the one that the terminal sent to both, so signals of a kind
 * that come closely together are one. It must know no process: signals are told to it.
 */

/** Collects what told a process to end. */
export class EndRequests {
  readonly #steadyMs: () => number;
  readonly #first = Promise.withResolvers<string>();
  readonly #second = Promise.withResolvers<string>();
  #told: { readonly reason: string; readonly atMs: number } | null = null;

  /** @param steadyMs a clock that never goes back */
  constructor(steadyMs: () => number) {
    this.#steadyMs = steadyMs;
  }

  /** What told it first. */
  get first(): Promise<string> {
    return this.#first.promise;
  }

  /** What told it again: whoever says it twice does not want to wait. */
  get second(): Promise<string> {
    return this.#second.promise;
  }

  /** @param reason a signal's name, or what else ends the process */
  tell(reason: string): void {
    const told = this.#told;
    const atMs = this.#steadyMs();
    if (told === null) {
      this.#told = { reason, atMs };
      this.#first.resolve(reason);
    } else if (reason !== told.reason || atMs - told.atMs >= SAME_SIGNAL_MS) {
      this.#second.resolve(reason);
    }
  }
}

/**
 * A forwarded signal comes within milliseconds, on a busy machine a little later; a person who
 * has seen the relay drain and changes his mind takes longer than this.
 */
const SAME_SIGNAL_MS = 1_000;
