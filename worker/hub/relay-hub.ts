/**
 * The hub: one Durable Object a relay, and the far end of its control socket. It decides nothing:
 * it feeds what happens to the reducer and performs the effects in order. The socket hibernates,
 * so memory may vanish at any time; what must last is in the outbox store and on the socket.
 */
import { DurableObject } from "cloudflare:workers";
import { assert, unreachable } from "#shared/base/assert.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { ControlClose } from "#shared/control/close-codes.ts";
import {
  type Command,
  CONTROL_SUBPROTOCOL,
  HEARTBEAT_PING,
  HEARTBEAT_PONG,
  type HubMessage,
  parseRelayMessage,
} from "#shared/control/contract.ts";
import { CONTROL_MESSAGE_BYTES_MAX } from "#shared/control/limits.ts";
import { createServiceContext } from "../context.ts";
import type { Env } from "../env.ts";
import { logNotice } from "../log.ts";
import type { LinkReport, PushFailure } from "../services/context.ts";
import type { HubEffect, HubInput, HubLink, HubState, LinkRefusal } from "./hub-state.ts";
import { linkRush } from "./link-rush.ts";
import { attachmentOf, linkOf, parseAttachment } from "./link-attachment.ts";
import { describeCommand } from "./outbox-entry.ts";
import { OutboxStore } from "./outbox-store.ts";
import { nextWakeMs, stepHub } from "./reducer.ts";
import { RELAY_ID_HEADER } from "./relay-id-header.ts";
import { type ServiceEffect, ServiceWork } from "./service-work.ts";

export class RelayHub extends DurableObject<Env> {
  readonly #store: OutboxStore;
  readonly #work = new ServiceWork();
  /** Callers of push that wait, with their command until it is stored; others without one. */
  readonly #waiting = new Map<string, WaitingCaller>();
  #state: HubState;
  /** What the alarm is set to; null: not known, or not set. */
  #alarmAtMs: number | null = null;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(HEARTBEAT_PING, HEARTBEAT_PONG));
    this.#store = new OutboxStore(ctx.storage.sql);
    this.#state = this.#store.load(crypto.randomUUID(), this.#survivingLink());
    this.#store.save(this.#state);
    this.#setAlarm();
  }

  /** Takes the relay's socket. The route has authenticated it and checked the subprotocol. */
  override fetch(request: Request): Response {
    const relayId = request.headers.get(RELAY_ID_HEADER);
    if (relayId === null || request.headers.get("Upgrade")?.toLowerCase() !== "websocket") {
      return new Response(null, { status: 400 });
    }
    this.#store.rememberRelayId(relayId);
    const { 0: client, 1: server } = new WebSocketPair();
    const linkId = crypto.randomUUID();
    this.ctx.acceptWebSocket(server, [linkId]);
    this.#step({ kind: "connected", linkId });
    const headers = { "Sec-WebSocket-Protocol": CONTROL_SUBPROTOCOL };
    return new Response(null, { status: 101, webSocket: client, headers });
  }

  /** RPC. Queues the command and waits for the relay's word on it (see Hubs.push). */
  async push(relayId: string, command: Command): Promise<Result<null, PushFailure>> {
    this.#store.rememberRelayId(relayId);
    const described = describeCommand(command);
    if (described.sizeBytes + PUSH_ENVELOPE_BYTES > CONTROL_MESSAGE_BYTES_MAX) {
      const detail = `a command of ${described.sizeBytes} bytes is more than a message holds`;
      return fail({ code: "control.grant-invalid", detail });
    }
    return await this.#wait(command, (waiterId) => ({
      kind: "push",
      waiterId,
      command: described,
    }));
  }

  /** RPC. Sends the relay the keys as the database has them (see Hubs.tellKeys). */
  async tellKeys(relayId: string): Promise<Result<null, PushFailure>> {
    this.#store.rememberRelayId(relayId);
    return await this.#wait(null, (waiterId) => ({ kind: "tell-keys", waiterId }));
  }

  /** RPC. The database shows the relay online; where that is not so, it will be corrected. */
  async confirmOnline(relayId: string): Promise<void> {
    this.#store.rememberRelayId(relayId);
    this.#step({ kind: "shown-online" });
    await this.#work.settled();
  }

  /** RPC. Tells the relay why it is not to be linked any more, and hangs up. */
  async expel(relayId: string, refusal: LinkRefusal): Promise<void> {
    this.#store.rememberRelayId(relayId);
    this.#step({ kind: "expel", ...refusal });
    await this.#work.settled();
  }

  /** RPC. What the hub knows of the link at this moment. */
  report(): LinkReport {
    const { link, outbox } = this.#state;
    const waiting = outbox.length;
    return link.phase === "linked"
      ? {
          linked: true,
          heardAtMs: Math.max(link.heardAtMs, this.#heartbeatAtMs() ?? 0),
          load: link.load?.load ?? null,
          waiting,
        }
      : { linked: false, heardAtMs: null, load: null, waiting };
  }

  override async webSocketMessage(socket: WebSocket, text: string | ArrayBuffer): Promise<void> {
    const linkId = linkIdOf(socket);
    if (linkId === null) {
      closeQuietly(socket, INTERNAL_ERROR_CLOSE, "the socket is not known");
      return;
    }
    const parsed = typeof text === "string" ? parseRelayMessage(text) : fail("a binary message");
    this.#step(
      parsed.ok
        ? { kind: "message", linkId, message: parsed.value }
        : { kind: "malformed", linkId, detail: parsed.error },
    );
    await this.#work.settled();
  }

  override async webSocketClose(socket: WebSocket, code: number, reason: string): Promise<void> {
    const { link } = this.#state;
    const isOurs = link.phase === "none" || link.linkId !== linkIdOf(socket);
    if (reason !== "" && !isOurs) {
      // A relay that hangs up for a reason says it: that our versions do not meet, for one.
      logNotice("relay.hung-up", { relayId: this.#store.relayId(), closeCode: code, reason });
    }
    const abnormal = code === NO_CODE_CLOSE || code === ABNORMAL_CLOSE;
    closeQuietly(socket, abnormal ? NORMAL_CLOSE : code, "");
    await this.#closed(socket, code === ABNORMAL_CLOSE ? "lost" : "closed");
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    await this.#closed(socket, "lost");
  }

  override async alarm(): Promise<void> {
    this.#alarmAtMs = null;
    this.#step({ kind: "tick", heartbeatAtMs: this.#heartbeatAtMs() });
    await this.#work.settled();
  }

  async #closed(socket: WebSocket, code: string): Promise<void> {
    const linkId = linkIdOf(socket);
    if (linkId !== null) {
      this.#step({ kind: "closed", linkId, code });
    }
    await this.#work.settled();
  }

  /** Has the reducer settle a caller who waits, with their command until it is stored. */
  async #wait(
    command: Command | null,
    inputOf: (waiterId: string) => HubInput,
  ): Promise<Result<null, PushFailure>> {
    return await new Promise((resolve) => {
      const waiterId = crypto.randomUUID();
      const settle = (failure: PushFailure | null): void => {
        resolve(failure === null ? ok(null) : fail(failure));
      };
      this.#waiting.set(waiterId, { command, settle });
      this.#step(inputOf(waiterId));
    });
  }

  /** One transition with its effects, without waiting for anything. */
  #step(input: HubInput): void {
    const moment = { nowMs: Date.now(), spareEpoch: crypto.randomUUID() };
    const { state, effects } = stepHub(this.#state, input, moment);
    this.#leaveRush(this.#state.link, state.link);
    this.#state = state;
    this.#attach(state.link);
    for (const effect of effects) {
      this.#perform(effect);
    }
    this.#store.save(state);
    this.#setAlarm();
  }

  #perform(effect: HubEffect): void {
    switch (effect.kind) {
      case "send":
        this.#send(effect.linkId, effect.message);
        break;
      case "send-push": {
        const command = this.#store.numbered(effect.id, effect.seq);
        this.#send(effect.linkId, { type: "push", seq: effect.seq, command });
        break;
      }
      case "close":
        this.#close(effect.linkId, effect.close);
        break;
      case "store-push": {
        const waiting = this.#waiting.get(effect.waiterId);
        assert(
          waiting !== undefined && waiting.command !== null,
          "a push is stored while its caller waits",
        );
        this.#store.insert(effect.id, waiting.command);
        break;
      }
      case "delete-push":
        this.#store.delete(effect.id);
        break;
      case "forget-numbers":
        this.#store.forgetNumbers();
        break;
      case "settle":
        this.#waiting.get(effect.waiterId)?.settle(effect.failure);
        this.#waiting.delete(effect.waiterId);
        break;
      case "greet":
      case "store-events":
      case "store-serving":
      case "store-load":
      case "look-up":
      case "load-keys":
      case "serve-request":
      case "mark-offline":
      case "end-sessions":
      case "expire-sessions":
        this.#startWork(effect);
        break;
      case "audit-refusal": {
        const { code, detail } = effect;
        logNotice("relay.refused", { relayId: this.#store.relayId(), code, detail });
        this.#startWork(effect);
        break;
      }
      default:
        unreachable(effect);
    }
  }

  #startWork(effect: ServiceEffect): void {
    const relayId = this.#store.relayId();
    assert(relayId !== null, "a hub that has work to do knows its relay");
    this.#work.start(effect, {
      relayId,
      openContext: () => ({
        ...createServiceContext(this.env),
        defer: (work) => this.ctx.waitUntil(work),
      }),
      isCurrent: (linkId) =>
        this.#state.link.phase !== "none" && this.#state.link.linkId === linkId,
      hasLink: () => this.#state.link.phase !== "none",
      feed: (input) => {
        this.#step(input);
      },
    });
  }

  #send(linkId: string, message: HubMessage): void {
    try {
      this.#socket(linkId)?.send(JSON.stringify(message));
    } catch {
      // The socket is closing: its close event tells the reducer, and the relay is sent it again.
    }
  }

  #close(linkId: string, close: ControlClose): void {
    const { closeCode, reason } = close;
    logNotice("relay.link-closed", { relayId: this.#store.relayId(), closeCode, code: reason });
    const socket = this.#socket(linkId);
    if (socket !== undefined) {
      closeQuietly(socket, closeCode, reason);
    }
  }

  #socket(linkId: string): WebSocket | undefined {
    return this.ctx.getWebSockets(linkId)[0];
  }

  /** Its place in the rush is free as soon as the link is made, or will not be. */
  #leaveRush(before: HubLink, { phase }: HubLink): void {
    if (before.phase !== phase && (phase === "none" || phase === "linked")) {
      linkRush.leave(this.#store.relayId() ?? "");
    }
  }

  /** Keeps on the socket what a hub that wakes up without memory must know of it. */
  #attach(link: HubLink): void {
    const attachment = attachmentOf(link);
    if (attachment !== null) {
      this.#socket(attachment.linkId)?.serializeAttachment(attachment);
    }
  }

  /** The link of the socket that is open; those that were replaced are closing. */
  #survivingLink(): HubLink {
    const attachments = this.ctx
      .getWebSockets()
      .filter((socket) => socket.readyState === WebSocket.READY_STATE_OPEN)
      .map((socket) => parseAttachment(socket.deserializeAttachment()));
    const survivor = attachments.findLast((attachment) => attachment !== null);
    return survivor === undefined || survivor === null ? { phase: "none" } : linkOf(survivor);
  }

  #heartbeatAtMs(): number | null {
    const { link } = this.#state;
    const socket = link.phase === "none" ? undefined : this.#socket(link.linkId);
    const answeredAt =
      socket === undefined ? null : this.ctx.getWebSocketAutoResponseTimestamp(socket);
    return answeredAt?.getTime() ?? null;
  }

  /** The alarm only ever moves closer here; one that comes too early sets the next itself. */
  #setAlarm(): void {
    const wakeMs = nextWakeMs(this.#state, this.#heartbeatAtMs());
    if (wakeMs !== null && (this.#alarmAtMs === null || wakeMs < this.#alarmAtMs)) {
      this.#alarmAtMs = wakeMs;
      this.ctx.waitUntil(this.ctx.storage.setAlarm(Math.max(wakeMs, Date.now())));
    }
  }
}

interface WaitingCaller {
  readonly command: Command | null;
  readonly settle: (failure: PushFailure | null) => void;
}

function linkIdOf(socket: WebSocket): string | null {
  return parseAttachment(socket.deserializeAttachment())?.linkId ?? null;
}

/** Closing a socket that is closed already throws on some runtimes; either way it is closed. */
function closeQuietly(socket: WebSocket, code: number, reason: string): void {
  try {
    socket.close(code, reason);
  } catch {
    // Nothing is left to do.
  }
}

/** What a push message adds to its command: its type, number and punctuation. */
const PUSH_ENVELOPE_BYTES = 128;
/** RFC 6455, section 7.4.1. The runtime reports 1005 and 1006 itself; they may not be sent. */
const NORMAL_CLOSE = 1000;
const NO_CODE_CLOSE = 1005;
const ABNORMAL_CLOSE = 1006;
const INTERNAL_ERROR_CLOSE = 1011;
