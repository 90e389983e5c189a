/**
 * Lets a client that knows only TCP come through a relay's WebSocket: each connection to the bridge
 * becomes one WebSocket, and its bytes binary frames. The way of a web console, with a stock client.
 */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import { createWebSocketStream, WebSocket } from "ws";

export interface WebSocketBridgeOptions {
  /** Where the relay takes WebSockets: `wss://…`. */
  readonly url: string;
  readonly ca: string;
  /** The page that a browser would have loaded. */
  readonly origin: string;
}

/** A bridge on a loopback port of its own. Ends with `await using`. */
export class WebSocketBridge implements AsyncDisposable {
  readonly #server: Server;
  readonly #options: WebSocketBridgeOptions;
  readonly #sockets = new Set<Socket>();

  constructor(options: WebSocketBridgeOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.#sockets.add(socket);
      void this.#carry(socket).finally(() => this.#sockets.delete(socket));
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    this.#server.close();
    await once(this.#server, "close");
  }

  async #carry(socket: Socket): Promise<void> {
    const webSocket = openWebSocket(this.#options);
    const stream = createWebSocketStream(webSocket);
    try {
      await Promise.all([pipeline(socket, stream), pipeline(stream, socket)]);
    } catch {
      // Either end may go away at any time; both are gone then.
    } finally {
      socket.destroy();
      webSocket.terminate();
    }
  }
}

/** Opens a WebSocket as a web console does: with SPICE's subprotocol and its page's origin. */
export function openWebSocket(options: WebSocketBridgeOptions): WebSocket {
  return new WebSocket(options.url, "binary", {
    ca: options.ca,
    origin: options.origin,
    perMessageDeflate: false,
  });
}
