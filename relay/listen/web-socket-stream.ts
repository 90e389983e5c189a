/**
 * A WebSocket as the byte stream that the rest of the relay knows: binary messages are pieces of
 * the stream, their borders mean nothing. Promises backpressure both ways: what the peer does not
 * take stays unwritten here, and what nobody reads stays in the socket. A close frame ends the
 * reading; as in WebSocket it ends the writing too, and what is written later is dropped. A text
 * message breaks the connection off. Whoever gets one must destroy it in the end.
 */
import { Duplex } from "node:stream";
import { WebSocket } from "ws";

export interface WebSocketStreamOptions {
  /** What the WebSocket runs over; asked whether it is congested. */
  readonly transport: Duplex;
  readonly pingIntervalMs: number;
}

type Callback = (error?: Error | null) => void;

export class WebSocketStream extends Duplex {
  readonly #socket: WebSocket;
  readonly #transport: Duplex;
  readonly #pings: NodeJS.Timeout;
  #onTaken: Callback | null = null;
  #onClosed: Callback | null = null;

  constructor(socket: WebSocket, options: WebSocketStreamOptions) {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    this.#transport = options.transport;
    socket.on("message", this.#onMessage);
    socket.on("error", this.#breakOff);
    socket.on("close", this.#onClose);
    options.transport.on("drain", this.#onDrain);
    // Why: reverse proxies forget a quiet WebSocket. Whether the peer lives is TCP's keep-alive to
    // find out: a late pong may as well be the fault of a slow link that is full of pictures.
    this.#pings = setInterval(() => {
      if (socket.readyState === WebSocket.OPEN && socket.bufferedAmount === 0) {
        socket.ping();
      }
    }, options.pingIntervalMs).unref();
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    if (this.#socket.readyState !== WebSocket.OPEN) {
      callback();
      return;
    }
    this.#socket.send(chunk, { binary: true });
    if (this.#transport.writableNeedDrain) {
      this.#onTaken = callback;
    } else {
      callback();
    }
  }

  override _final(callback: Callback): void {
    if (this.#socket.readyState === WebSocket.CLOSED) {
      callback();
      return;
    }
    this.#onClosed = callback;
    this.#socket.close(CLOSE_NORMAL);
  }

  override _destroy(error: Error | null, callback: Callback): void {
    clearInterval(this.#pings);
    this.#transport.off("drain", this.#onDrain);
    this.#socket.terminate();
    callback(error);
  }

  readonly #onMessage = (data: unknown, isBinary: boolean): void => {
    if (this.destroyed) {
      return;
    }
    if (!isBinary) {
      this.#socket.close(CLOSE_UNSUPPORTED, "binary messages only");
      this.#breakOff(new Error("a text message came"));
      return;
    }
    // A binary message is a Buffer: ws, binaryType "nodebuffer".
    if (!this.push(data)) {
      this.#socket.pause();
    }
  };

  readonly #onDrain = (): void => {
    const taken = this.#onTaken;
    this.#onTaken = null;
    taken?.();
  };

  /** The WebSocket has written a close frame with its reason already. */
  readonly #breakOff = (error: Error): void => {
    this.destroy(error);
  };

  readonly #onClose = (code: number): void => {
    clearInterval(this.#pings);
    if (code === CLOSE_ABNORMAL) {
      this.destroy();
    }
    if (this.destroyed) {
      return;
    }
    this.push(null);
    this.#onDrain();
    this.#onClosed?.();
  };
}

/** RFC 6455, section 7.4.1. */
const CLOSE_NORMAL = 1000;
const CLOSE_UNSUPPORTED = 1003;
/** The connection ended without a close frame. */
const CLOSE_ABNORMAL = 1006;
