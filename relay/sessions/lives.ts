/**
 * The sessions that live here, found by everything that may tell of one. Promises that a console
 * has one session at most that is not ending, and that every table is empty when no session lives.
 */
import { assert } from "#shared/base/assert.ts";
import type { Grant } from "#shared/ticket/grant.ts";
import { judgeViewer, type ViewerVerdict } from "./admission-rules.ts";
import type { LivingSession } from "./living-session.ts";

/** Tables of living sessions. */
export class Lives {
  readonly #bySession = new Map<string, LivingSession>();
  readonly #byTicket = new Map<string, LivingSession>();
  readonly #byLabel = new Map<string, LivingSession>();
  readonly #byConsole = new Map<string, LivingSession>();
  /** Servers choose these ids each for itself, so that two sessions may have the same one. */
  readonly #byConnectionId = new Map<number, Set<LivingSession>>();
  #waiters: (() => void)[] = [];

  get count(): number {
    return this.#bySession.size;
  }

  ids(): string[] {
    return [...this.#bySession.keys()];
  }

  all(): LivingSession[] {
    return [...this.#bySession.values()];
  }

  find(sessionId: string): LivingSession | null {
    return this.#bySession.get(sessionId) ?? null;
  }

  findByTicket(ticketHash: string): LivingSession | null {
    return this.#byTicket.get(ticketHash) ?? null;
  }

  /** One that is not ending. */
  findByLabel(label: string): LivingSession | null {
    return notEnding(this.#byLabel.get(label));
  }

  /** One that is not ending: whoever watches the console, or may come back to it. */
  findByConsole(consoleId: string): LivingSession | null {
    return notEnding(this.#byConsole.get(consoleId));
  }

  /** Whether the grant's session may open its console now. */
  judgeViewer({ consoleId, policy }: Grant): ViewerVerdict {
    return judgeViewer(this.findByConsole(consoleId) !== null, policy.secondViewer);
  }

  /** The one that is not ending, when there is exactly one. */
  findByConnectionId(connectionId: number): LivingSession | null {
    const sessions = this.#byConnectionId.get(connectionId) ?? new Set();
    const [only] = sessions;
    return sessions.size === 1 ? notEnding(only) : null;
  }

  add(session: LivingSession): void {
    const { sessionId, label, grant } = session;
    assert(!this.#bySession.has(sessionId), "a session lives once");
    assert(this.findByConsole(grant.consoleId) === null, "a console has one session");
    this.#bySession.set(sessionId, session);
    this.#byTicket.set(grant.ticketHash, session);
    this.#byLabel.set(label, session);
    this.#byConsole.set(grant.consoleId, session);
  }

  /** The session's connection id has changed; null: none. */
  renumber(session: LivingSession, connectionId: number | null, before: number | null): void {
    if (before !== null) {
      const sessions = this.#byConnectionId.get(before);
      sessions?.delete(session);
      if (sessions?.size === 0) {
        this.#byConnectionId.delete(before);
      }
    }
    if (connectionId !== null) {
      const sessions = this.#byConnectionId.get(connectionId) ?? new Set();
      this.#byConnectionId.set(connectionId, sessions.add(session));
    }
  }

  /** No-op for one that was never added. */
  remove(session: LivingSession): void {
    const { sessionId, label, grant } = session;
    if (this.#bySession.get(sessionId) !== session) {
      return;
    }
    this.#bySession.delete(sessionId);
    this.#byTicket.delete(grant.ticketHash);
    this.#byLabel.delete(label);
    // The one that took its console over stands there already.
    if (this.#byConsole.get(grant.consoleId) === session) {
      this.#byConsole.delete(grant.consoleId);
    }
    if (this.count === 0) {
      this.releaseWaiters();
    }
  }

  /** Resolves when none is left, now or later, or when the waiters are released. */
  async untilNone(): Promise<void> {
    if (this.count > 0) {
      await new Promise<void>((resolve) => {
        this.#waiters.push(resolve);
      });
    }
  }

  releaseWaiters(): void {
    for (const resolve of this.#waiters.splice(0)) {
      resolve();
    }
  }
}

function notEnding(session: LivingSession | undefined): LivingSession | null {
  return session === undefined || session.isEnding ? null : session;
}
