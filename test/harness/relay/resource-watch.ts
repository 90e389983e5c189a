/**
 * Watches what this process holds: each timer and each TCP socket, with the place in the code that
 * made it, until it is gone. Unlike a count of what keeps the process alive it sees timers that do
 * not (`unref`), and it tells the relay's own from the test's and the test runner's.
 */
import { createHook } from "node:async_hooks";
import { Duplex } from "node:stream";
import { eventually } from "../deadline.ts";

interface Resource {
  readonly type: string;
  /** Only made a text when somebody asks. */
  readonly madeAt: Error;
  /** Node's handle, or what stands for one. */
  readonly handle: WeakRef<object>;
}

/** What lived at a moment. */
export type ResourceMark = ReadonlySet<number>;

/** One a test file; it watches from its making on. */
export class ResourceWatch implements Disposable {
  readonly #live = new Map<number, Resource>();
  readonly #hook = createHook({
    init: (id, type, _triggerId, handle) => {
      if (TYPES.has(type)) {
        this.#live.set(id, { type, madeAt: new Error(type), handle: new WeakRef(handle) });
      }
    },
    destroy: (id) => {
      this.#live.delete(id);
    },
  });

  constructor() {
    this.#hook.enable();
  }

  mark(): ResourceMark {
    return new Set(this.#live.keys());
  }

  /** Waits until nothing is left that the relay's code made since the mark. */
  async relayIsAsAt(mark: ResourceMark): Promise<void> {
    await this.#gone(mark, ({ madeAt }) => isOfRelay(madeAt));
  }

  /** Waits until no socket is left that anybody made or accepted since the mark. */
  async socketsAreAsAt(mark: ResourceMark): Promise<void> {
    await this.#gone(mark, ({ type }) => type === SOCKET);
  }

  /**
   * What the streams that the relay's code made since the mark hold in this process, in bytes, each
   * by itself: TLS on accepted connections, and connections to hypervisors.
   */
  heldBytes(mark: ResourceMark): number[] {
    return [...this.#live]
      .filter(([id, { madeAt }]) => !mark.has(id) && isOfRelay(madeAt))
      .flatMap(([, { handle }]) => {
        const stream = ownerOf(handle.deref());
        return stream === null ? [] : [stream.readableLength + stream.writableLength];
      });
  }

  [Symbol.dispose](): void {
    this.#hook.disable();
  }

  async #gone(mark: ResourceMark, counts: (resource: Resource) => boolean): Promise<void> {
    let left: string[] = [];
    try {
      await eventually(
        "nothing is left",
        () => {
          left = [...this.#live]
            .filter(([id, resource]) => !mark.has(id) && resource.type !== TLS && counts(resource))
            .map(([, { type, madeAt }]) => `${type} ${relayFrames(madeAt)}`);
          return left.length === 0 ? true : null;
        },
        { intervalMs: 2, timeoutMs: LEFT_TIMEOUT_MS },
      );
    } catch {
      throw new Error(`${left.length} left:\n${left.join("\n")}`);
    }
  }
}

function isOfRelay({ stack = "" }: Error): boolean {
  return stack.split("\n").some(isRelayFrame);
}

/** A handle's stream stands in a property that Node keeps for itself. */
function ownerOf(handle: object | undefined): Duplex | null {
  const symbols = handle === undefined ? [] : Object.getOwnPropertySymbols(handle);
  const owner = symbols
    .filter(({ description }) => description === "owner_symbol")
    .map((symbol) => Reflect.get(handle ?? {}, symbol) as unknown)[0];
  return owner instanceof Duplex ? owner : null;
}

function relayFrames({ stack = "" }: Error): string {
  return stack.split("\n").filter(isRelayFrame).join("\n");
}

function isRelayFrame(frame: string): boolean {
  return frame.includes("/relay/") && !frame.includes("/test/");
}

const SOCKET = "TCPWRAP";
/** Goes with its socket, but only when the garbage is collected. */
const TLS = "TLSWRAP";
const TYPES: ReadonlySet<string> = new Set([SOCKET, TLS, "Timeout", "Immediate"]);
/** Closing takes a few turns of the event loop. */
const LEFT_TIMEOUT_MS = 4_000;
