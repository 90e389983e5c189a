/**
 * Who may connect, judged by address and count before a byte is read: connections at once and
 * unfinished handshakes at once for each source, and connections in total. Pure bookkeeping: it
 * knows no socket, and it remembers a source only as long as it has a connection.
 */
import { assert } from "#shared/base/assert.ts";
import type { DataPlaneLimits } from "../limits.ts";
import { sourceKey } from "../sessions/source-key.ts";

export type GateLimits = Pick<
  DataPlaneLimits,
  "connectionsMax" | "connectionsPerSourceMax" | "handshakesPerSourceMax"
>;

/** Why a connection is closed unheard. */
export type GateRefusal = "relay.full" | "link.source-limited";

interface Source {
  connections: number;
  handshakes: number;
}

interface Entry {
  readonly source: string;
  isLinked: boolean;
}

/** The books on every connection from its accept to its close. */
export class SourceGate {
  readonly #limits: GateLimits;
  readonly #entries = new Map<string, Entry>();
  readonly #sources = new Map<string, Source>();
  #idle: (() => void)[] = [];

  constructor(limits: GateLimits) {
    this.#limits = limits;
  }

  /** Lets a connection in (null), which `leave` must undo, or says why not. */
  enter(ref: string, address: string): GateRefusal | null {
    assert(!this.#entries.has(ref), "a connection enters once");
    if (this.#entries.size >= this.#limits.connectionsMax) {
      return "relay.full";
    }
    const name = sourceKey(address);
    const source = this.#sources.get(name) ?? { connections: 0, handshakes: 0 };
    const isLimited =
      source.connections >= this.#limits.connectionsPerSourceMax ||
      source.handshakes >= this.#limits.handshakesPerSourceMax;
    if (isLimited) {
      return "link.source-limited";
    }
    source.connections += 1;
    source.handshakes += 1;
    this.#sources.set(name, source);
    this.#entries.set(ref, { source: name, isLinked: false });
    return null;
  }

  /** Its handshakes are done: it counts as a connection only. Unknown and repeated: a no-op. */
  linked(ref: string): void {
    const entry = this.#entries.get(ref);
    if (entry === undefined || entry.isLinked) {
      return;
    }
    entry.isLinked = true;
    this.#source(entry).handshakes -= 1;
  }

  /** It is closed. Unknown and repeated: a no-op. */
  leave(ref: string): void {
    const entry = this.#entries.get(ref);
    if (entry === undefined) {
      return;
    }
    this.#entries.delete(ref);
    const source = this.#source(entry);
    source.connections -= 1;
    source.handshakes -= entry.isLinked ? 0 : 1;
    if (source.connections === 0) {
      this.#sources.delete(entry.source);
    }
    if (this.#entries.size === 0) {
      for (const resolve of this.#idle.splice(0)) {
        resolve();
      }
    }
  }

  get connectionCount(): number {
    return this.#entries.size;
  }

  /** Different sources that are connected. */
  get sourceCount(): number {
    return this.#sources.size;
  }

  /** Resolves when the last connection is gone. */
  async drained(): Promise<void> {
    if (this.#entries.size > 0) {
      await new Promise<void>((resolve) => {
        this.#idle.push(resolve);
      });
    }
  }

  #source(entry: Entry): Source {
    const source = this.#sources.get(entry.source);
    assert(source !== undefined, "a connection's source is known as long as it lives");
    return source;
  }
}
