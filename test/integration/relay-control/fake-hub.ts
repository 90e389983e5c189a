/** A hub of its own, on loopback: accepts relays' sockets and lets a test speak for it. */
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import {
  CONTROL_SUBPROTOCOL,
  type HubMessage,
  parseRelayMessage,
  type RelayMessage,
  type Welcome,
} from "#shared/control/contract.ts";
import { withDeadline } from "../../harness/deadline.ts";

/** What any hub says first; its keys have the right lengths and open nothing. */
export const WELCOME: Welcome = {
  type: "welcome",
  version: 1,
  epoch: "epoch-a",
  ticketKeys: [
    {
      keyId: "AAAAAA",
      key: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
      sealKey: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    },
  ],
  grantKeys: [
    {
      kty: "OKP",
      crv: "Ed25519",
      // RFC 8037, appendix A.2.
      x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
      kid: "k1",
    },
  ],
  grantIssuer: "https://kerbside.test",
  stream: null,
  storedSeq: 0,
  webOrigins: [],
  nowMs: Date.now(),
};

/** One relay's socket at the hub. */
class HubSocket {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  readonly #heard: string[] = [];
  #wake = Promise.withResolvers<void>();

  constructor(socket: WebSocket, request: IncomingMessage) {
    this.socket = socket;
    this.request = request;
    socket.on("message", (data) => {
      const text = (data as Buffer).toString("utf8");
      if (text === "ping") {
        socket.send("pong");
        return;
      }
      if (text.startsWith('{"type":"load"')) {
        // It comes by the relay's clock, at any time.
        return;
      }
      this.#heard.push(text);
      this.#wake.resolve();
    });
    this.closed = new Promise((resolve) => {
      socket.once("close", (code, reason) => {
        resolve({ code, reason: reason.toString() });
      });
    });
    socket.on("error", () => {});
  }

  /** The next message of this type; messages of other types before it are an error. */
  async next<Type extends RelayMessage["type"]>(
    type: Type,
  ): Promise<Extract<RelayMessage, { type: Type }>> {
    await withDeadline(this.#untilHeard(), WAIT_MS, `a message of type ${type}`);
    const message = parseRelayMessage(this.#heard.shift() ?? "");
    if (!message.ok || message.value.type !== type) {
      throw new Error(`expected ${type}, got ${JSON.stringify(message)}`);
    }
    return message.value as Extract<RelayMessage, { type: Type }>;
  }

  /** The next message of this type; events before it are acknowledged, nothing else may come. */
  async until<Type extends RelayMessage["type"]>(
    type: Type,
  ): Promise<Extract<RelayMessage, { type: Type }>> {
    for (;;) {
      await withDeadline(this.#untilHeard(), WAIT_MS, `a message of type ${type}`);
      const message = parseRelayMessage(this.#heard[0] ?? "");
      if (message.ok && message.value.type === "events" && type !== "events") {
        await this.storeEvents();
      } else {
        return this.next(type);
      }
    }
  }

  send(message: HubMessage): void {
    this.socket.send(JSON.stringify(message));
  }

  /** Hears the hello and welcomes; then acknowledges the first events (the snapshot and others). */
  async welcome(facts: Partial<Welcome> = {}): Promise<Extract<RelayMessage, { type: "hello" }>> {
    const hello = await this.next("hello");
    this.send({ ...WELCOME, ...facts });
    return hello;
  }

  /** Takes one message of events and acknowledges it. */
  async storeEvents(): Promise<Extract<RelayMessage, { type: "events" }>> {
    const message = await this.next("events");
    const seq = message.events.at(-1)?.seq ?? 0;
    this.send({ type: "events-ack", stream: message.stream, seq });
    return message;
  }

  async #untilHeard(): Promise<void> {
    while (this.#heard.length === 0) {
      this.#wake = Promise.withResolvers();
      await this.#wake.promise;
    }
  }
}

export interface FakeHub extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** The next socket that a relay opens. */
  nextSocket(): Promise<HubSocket>;
}

/** Listens on a loopback port; `refuse` answers the upgrade with that status and problem. */
export async function startFakeHub(options: { readonly port?: number } = {}): Promise<FakeHub> {
  const server = new WebSocketServer({
    host: "127.0.0.1",
    port: options.port ?? 0,
    handleProtocols: (offered) => (offered.has(CONTROL_SUBPROTOCOL) ? CONTROL_SUBPROTOCOL : false),
  });
  await new Promise<void>((resolve, reject) => {
    server.once("listening", resolve);
    server.once("error", reject);
  });
  const arrived: HubSocket[] = [];
  const waiting: ((socket: HubSocket) => void)[] = [];
  server.on("connection", (socket, request) => {
    const hubSocket = new HubSocket(socket, request);
    const waiter = waiting.shift();
    if (waiter === undefined) {
      arrived.push(hubSocket);
    } else {
      waiter(hubSocket);
    }
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `ws://127.0.0.1:${port}/api/v1/relays/link`,
    nextSocket: () => {
      const here = arrived.shift();
      const socket =
        here === undefined
          ? new Promise<HubSocket>((resolve) => {
              waiting.push(resolve);
            })
          : Promise.resolve(here);
      return withDeadline(socket, WAIT_MS, "a relay's connection");
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.clients.forEach((client) => client.terminate());
        server.close(() => resolve());
      }),
  };
}

const WAIT_MS = 8_000;
