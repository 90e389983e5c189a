/**
 * The link to the hub: performs what link-state.ts decides, with a real socket, real timers and the
 * spool. It promises that no failure of the control plane reaches its callers: look-ups settle in
 * time, commands come in order, and it connects again for as long as it is not closed.
 */
import { performance } from "node:perf_hooks";
import type { TicketRefusalReason } from "#shared/audit/events.ts";
import { fail, type Result } from "#shared/base/result.ts";
import {
  type Command,
  HEARTBEAT_PING,
  type Hello,
  type LinkKeys,
  parseHubMessage,
  type RelayMessage,
  type Welcome,
} from "#shared/control/contract.ts";
import {
  LOOKUP_DEADLINE_MS,
  RELAY_CLOCK_SKEW_SECONDS,
  SNAPSHOT_SESSIONS_MAX,
} from "#shared/control/limits.ts";
import type { Load } from "#shared/control/load.ts";
import type { RelayAnswer, RelayRequest, RequestFailure } from "#shared/control/relay-requests.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import type { ControlContact, GrantLookup } from "../sessions/ports.ts";
import { CONTROL_LOG, type ControlLog } from "./control-log.ts";
import { type LinkSocket, openLinkSocket } from "./link-socket.ts";
import { initialLinkState, nextDeadlineMs, stepLink } from "./link-state.ts";
import type { LinkEffect, LinkInput, LinkRefusal, LinkState } from "./link-types.ts";
import type { Spool } from "./spool.ts";

export interface LinkOptions {
  readonly linkUrl: string;
  readonly about: Pick<
    Hello,
    "build" | "instanceId" | "channelsMax" | "advertised" | "certificate" | "enforces"
  >;
  /** A fresh credential for one connection. */
  readonly signToken: () => Promise<string>;
  /**
   * Puts a welcome into use; a failure is what is wrong with its keys. By the time that they are read
   * another connection may be the present one, whose welcome is not to be undone by this.
   */
  readonly adopt: (welcome: Welcome, isPresent: () => boolean) => Promise<Result<null, string>>;
  /** Puts the keys that replace a welcome's into use; a failure is what is wrong with them. */
  readonly adoptKeys: (keys: LinkKeys) => Promise<Result<null, string>>;
  /** The control plane does not want this relay now, by that code. */
  readonly onRefused?: (code: string) => void;
  readonly spool: Spool;
  readonly log: ControlLog;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  /** A random number in [0, 1). */
  readonly chance: () => number;
  /** Milliseconds of a clock that never jumps; the process's own by default. */
  readonly monotonicMs?: () => number;
}

/** Carries out what the control plane pushes, whatever it is about. A push may come twice. */
export interface LinkCommands {
  /** Null when applied; else why it can never be. */
  apply(command: Command): Promise<Failure | null>;
}

/** What the link needs of the data plane, which in turn needs the link's look-ups. */
export interface LinkPorts {
  readonly commands: LinkCommands;
  /** Sessions that live here now. */
  readonly snapshot: () => readonly string[];
}

/** One process's link. Started once, closed once. */
export class ControlLink implements GrantLookup, ControlContact {
  readonly #options: LinkOptions;
  readonly #monotonicMs: () => number;
  readonly #inputs: LinkInput[] = [];
  readonly #waiting = new Map<string, (answer: LookupResult) => void>();
  readonly #asked = new Map<string, (answer: RequestResult) => void>();
  readonly #linkedListeners = new Set<() => void>();
  readonly #storedListeners = new Set<() => void>();
  /** The newest event of the relay's earlier processes. */
  readonly #inherited: { readonly stream: string; readonly lastSeq: number };
  #state: LinkState = initialLinkState();
  #ports: LinkPorts | null = null;
  #socket: LinkSocket | null = null;
  /** Which connection is the present one: what an older one still says is nobody's. */
  #generation = 0;
  #timer: NodeJS.Timeout | null = null;
  #isStepping = false;
  #questionCount = 0;
  /** What was told of keys is in use; pushes and grants that came later wait for it. */
  #keysAdopted: Promise<void> = Promise.resolve();
  #lastClose: Promise<void> = Promise.resolve();

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#inherited = { stream: options.spool.stream, lastSeq: options.spool.lastSeq };
    this.#monotonicMs = options.monotonicMs ?? (() => performance.now());
  }

  /** Begins to connect, and goes on until `close`. */
  start(ports: LinkPorts): void {
    this.#ports = ports;
    this.#options.spool.onRecord(() => this.#dispatch({ kind: "spooled" }));
    this.#dispatch({ kind: "start" });
  }

  /** Tells the hub whether to route here: at once when linked, else with the next hello. */
  tellServing(serving: { readonly draining: boolean }): void {
    this.#dispatch({ kind: "serving", draining: serving.draining });
  }

  /** Tells the hub how loaded the relay is, when that is news. */
  tellLoad(load: Load): void {
    this.#dispatch({ kind: "load", load, channelsMax: this.#options.about.channelsMax });
  }

  get isLinked(): boolean {
    return this.#state.phase.name === "linked";
  }

  silentMs(): number {
    const { heardAtMs } = this.#state;
    return heardAtMs === null ? Number.POSITIVE_INFINITY : this.#monotonicMs() - heardAtMs;
  }

  /** The version of the contract that the present link speaks; null without one. */
  get version(): number | null {
    return this.#state.phase.name === "linked" ? this.#state.phase.version : null;
  }

  /** Why there is no link, when it was refused; null while there is one, or none was tried yet. */
  get refusal(): LinkRefusal | null {
    return this.#state.refusal;
  }

  /** Resolves at the next welcome whose keys are in use, or at once when linked. */
  whenLinked(): Promise<void> {
    return this.isLinked
      ? Promise.resolve()
      : new Promise((resolve) => {
          this.#linkedListeners.add(resolve);
        });
  }

  /**
   * Asks only when the control plane knows what an earlier process of this relay has seen: else it
   * could give out again the grant of a ticket that was used just before that process died.
   */
  async lookup(ticketHash: string): Promise<LookupResult> {
    const { spool } = this.#options;
    const { stream, lastSeq } = this.#inherited;
    const isInformed = (): boolean => spool.stream !== stream || spool.isStored(lastSeq);
    if (this.isLinked && !(await this.#waitForStored(isInformed, LOOKUP_DEADLINE_MS))) {
      return fail("unverifiable");
    }
    const requestId = this.#newQuestionId();
    return new Promise((resolve) => {
      this.#waiting.set(requestId, resolve);
      this.#dispatch({ kind: "lookup", requestId, ticketHash });
    });
  }

  /**
   * Asks the control plane for something about keys or certificates. Settles within
   * REQUEST_DEADLINE_MS. After a loss nobody knows whether it was carried out.
   */
  request(request: RelayRequest): Promise<RequestResult> {
    const requestId = this.#newQuestionId();
    return new Promise((resolve) => {
      this.#asked.set(requestId, resolve);
      this.#dispatch({ kind: "request", requestId, request });
    });
  }

  /** Waits until the control plane has stored every event; false when it could not in time. */
  async flush(deadlineMs: number): Promise<boolean> {
    const { spool } = this.#options;
    const isDrained = (): boolean => spool.pendingCount === 0;
    return this.isLinked ? await this.#waitForStored(isDrained, deadlineMs) : isDrained();
  }

  /** Lets the link go; resolves when its socket is gone. */
  async close(): Promise<void> {
    this.#dispatch({ kind: "stop" });
    await this.#lastClose;
  }

  #newQuestionId(): string {
    this.#questionCount += 1;
    return `question-${this.#questionCount}`;
  }

  /** Takes inputs one after the other, also those that effects cause. */
  #dispatch(input: LinkInput): void {
    this.#inputs.push(input);
    if (this.#isStepping) {
      return;
    }
    this.#isStepping = true;
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        this.#step(next);
      }
    } finally {
      this.#isStepping = false;
    }
    this.#schedule();
  }

  #step(input: LinkInput): void {
    const wasLinked = this.isLinked;
    const context = { nowMs: this.#monotonicMs(), chance: this.#options.chance() };
    const { state, effects } = stepLink(this.#state, input, context);
    this.#state = state;
    for (const effect of effects) {
      this.#perform(effect);
    }
    if (this.isLinked && !wasLinked) {
      this.#linkedListeners.forEach((listener) => listener());
      this.#linkedListeners.clear();
    }
  }

  #perform(effect: LinkEffect): void {
    const { spool, log } = this.#options;
    switch (effect.kind) {
      case "connect":
        void this.#connect();
        break;
      case "hello":
        this.#send({
          type: "hello",
          ...effect.hello,
          ...this.#options.about,
          nowMs: Math.max(0, Math.floor(this.#options.nowMs())),
        });
        break;
      case "send":
        this.#send(effect.message);
        break;
      case "ping":
        this.#socket?.send(HEARTBEAT_PING);
        break;
      case "close":
        this.#close(effect.reason);
        break;
      case "adopt":
        void this.#adopt(effect.welcome);
        break;
      case "adopt-keys":
        this.#keysAdopted = this.#adoptKeys(effect.keys);
        break;
      case "apply":
        void this.#apply(effect);
        break;
      case "reconcile":
        spool.reconcile(effect.stream, effect.storedSeq);
        this.#tellStored();
        break;
      case "record-snapshot":
        this.#recordSnapshot();
        break;
      case "acknowledged":
        spool.acknowledge(effect.stream, effect.seq);
        this.#tellStored();
        break;
      case "deliver":
        this.#deliver(effect.afterSeq);
        break;
      case "settle":
        void this.#settle(effect);
        break;
      case "answered":
        this.#asked.get(effect.requestId)?.(effect.result);
        this.#asked.delete(effect.requestId);
        break;
      case "log":
        log[effect.level](effect.fields, effect.name);
        break;
    }
  }

  async #connect(): Promise<void> {
    this.#generation += 1;
    const generation = this.#generation;
    const isPresent = (): boolean => generation === this.#generation;
    const tell = (input: LinkInput): void => {
      if (isPresent()) {
        this.#dispatch(input);
      }
    };
    const url = this.#options.linkUrl;
    this.#options.log.debug({ url }, CONTROL_LOG.connecting);
    try {
      const token = await this.#options.signToken();
      if (!isPresent()) {
        return;
      }
      this.#socket = openLinkSocket(
        { url, token },
        {
          opened: () => tell({ kind: "opened" }),
          text: (text) => tell(readMessage(text)),
          pong: () => tell({ kind: "pong" }),
          malformed: (detail) => tell({ kind: "malformed", detail }),
          refused: (code, detail) => {
            if (isPresent()) {
              this.#options.onRefused?.(code);
            }
            tell({ kind: "refused", code, detail });
          },
          closed: (detail) => tell({ kind: "closed", detail }),
        },
      );
    } catch (error) {
      tell({ kind: "closed", detail: error instanceof Error ? error.message : String(error) });
    }
  }

  #close(reason: string): void {
    this.#generation += 1;
    this.#lastClose = this.#socket?.close(reason) ?? Promise.resolve();
    this.#socket = null;
  }

  #send(message: RelayMessage): void {
    this.#socket?.send(JSON.stringify(message));
  }

  async #adopt(welcome: Welcome): Promise<void> {
    const generation = this.#generation;
    const skewMs = welcome.nowMs - this.#options.nowMs();
    if (Math.abs(skewMs) > RELAY_CLOCK_SKEW_SECONDS * 1000) {
      this.#options.log.warn({ skewMs }, CONTROL_LOG.clockSkew);
    }
    const isPresent = (): boolean => generation === this.#generation;
    const adopted = await this.#options.adopt(welcome, isPresent);
    if (isPresent()) {
      this.#dispatch({ kind: "adopted", failure: adopted.ok ? null : adopted.error });
    }
  }

  async #adoptKeys(keys: LinkKeys): Promise<void> {
    const generation = this.#generation;
    const adopted = await this.#options.adoptKeys(keys);
    if (!adopted.ok && generation === this.#generation) {
      this.#dispatch({ kind: "malformed", detail: adopted.error });
    }
  }

  /** A grant that was found may be signed with keys which were told just before. */
  async #settle({ requestId, result }: LinkEffect & { readonly kind: "settle" }): Promise<void> {
    const settle = this.#waiting.get(requestId);
    this.#waiting.delete(requestId);
    if (result.ok) {
      await this.#keysAdopted;
    }
    settle?.(result);
  }

  async #apply(effect: LinkEffect & { readonly kind: "apply" }): Promise<void> {
    const { epoch, seq, command } = effect;
    await this.#keysAdopted;
    const refusal = await this.#applyInTime(command);
    const name = refusal === null ? CONTROL_LOG.pushApplied : CONTROL_LOG.pushRefused;
    this.#options.log.info({ seq, command: command.kind, refusal }, name);
    this.#dispatch({ kind: "applied", epoch, seq, refusal });
  }

  /** The refusal's code; a command that fails or hangs is our bug and must not stop the others. */
  async #applyInTime(command: Command): Promise<string | null> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error("not applied in time")), APPLY_DEADLINE_MS);
    });
    try {
      const failure = await Promise.race([this.#ports?.commands.apply(command), late]);
      return failure?.code ?? null;
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      this.#options.log.error({ command: command.kind, detail }, CONTROL_LOG.pushRefused);
      return "internal.error";
    } finally {
      clearTimeout(timer);
    }
  }

  #recordSnapshot(): void {
    const sessionIds = [...(this.#ports?.snapshot() ?? [])];
    if (sessionIds.length > SNAPSHOT_SESSIONS_MAX) {
      // A part would tell the control plane that the rest has ended.
      this.#options.log.error({ count: sessionIds.length }, CONTROL_LOG.snapshotTooLarge);
      return;
    }
    this.#options.spool.record({ type: "relay.snapshot", sessionIds });
  }

  #deliver(afterSeq: number): void {
    const { stream, events } = this.#options.spool.batch(afterSeq);
    if (events.length > 0) {
      this.#dispatch({ kind: "batch", stream, events });
    }
  }

  #tellStored(): void {
    this.#storedListeners.forEach((listener) => listener());
  }

  /** Whether `holds` does within the time; it is asked again whenever events were stored. */
  async #waitForStored(holds: () => boolean, deadlineMs: number): Promise<boolean> {
    if (holds()) {
      return true;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, deadlineMs);
    const listener = (): void => {
      if (holds()) {
        resolve();
      }
    };
    this.#storedListeners.add(listener);
    await promise;
    this.#storedListeners.delete(listener);
    clearTimeout(timer);
    return holds();
  }

  #schedule(): void {
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
    const deadlineMs = nextDeadlineMs(this.#state);
    if (deadlineMs !== null) {
      // Rounded up: a timer that fires a fraction early would find nothing to do.
      const waitMs = Math.max(0, Math.ceil(deadlineMs - this.#monotonicMs()));
      this.#timer = setTimeout(() => this.#dispatch({ kind: "tick" }), waitMs);
    }
  }
}

type RequestResult = Result<RelayAnswer, RequestFailure>;
type LookupResult = Result<string, TicketRefusalReason>;

function readMessage(text: string): LinkInput {
  const message = parseHubMessage(text);
  return message.ok
    ? { kind: "message", message: message.value }
    : { kind: "malformed", detail: message.error };
}

/** Verifying a signature and asking channels to end take milliseconds. */
const APPLY_DEADLINE_MS = 5_000;
