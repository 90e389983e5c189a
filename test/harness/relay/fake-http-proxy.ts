/** An HTTP proxy for tests, as blunt as Proxmox's: remembers what it was asked, answers as told. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export interface FakeProxyOptions {
  /** The answer's bytes, written one by one when `isDribbled`. Default: Proxmox's two lines. */
  readonly answer?: string;
  readonly isDribbled?: boolean;
  /** Where the tunnel leads after the answer; null: nowhere, the connection stays open. */
  readonly port: number | null;
  /** Closes the connection after the answer. */
  readonly closes?: boolean;
  readonly host?: string;
}

/** Close it with `await using`. */
export class FakeHttpProxy implements AsyncDisposable {
  readonly heads: string[] = [];
  readonly sockets = new Set<Socket>();
  readonly #server: Server;
  readonly #options: FakeProxyOptions;

  constructor(options: FakeProxyOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.#serve(socket);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, this.#options.host ?? "127.0.0.1", resolve);
    });
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) {
      socket.destroy();
    }
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
  }

  #serve(socket: Socket): void {
    this.sockets.add(socket);
    socket.once("close", () => this.sockets.delete(socket));
    socket.on("error", () => {});
    let head = "";
    const onData = (chunk: Buffer): void => {
      head += chunk.toString("latin1");
      if (head.endsWith("\r\n\r\n")) {
        socket.off("data", onData);
        this.heads.push(head);
        void this.#answer(socket);
      }
    };
    socket.on("data", onData);
  }

  async #answer(socket: Socket): Promise<void> {
    const { answer = "HTTP/1.0 200 OK\r\n\r\n", isDribbled = false, closes, port } = this.#options;
    for (const part of isDribbled ? answer.split("") : [answer]) {
      await new Promise<void>((resolve) => {
        socket.write(part, "latin1", () => {
          resolve();
        });
      });
    }
    if (closes === true) {
      socket.end();
    } else if (port !== null) {
      const upstream = connect(port, "127.0.0.1");
      upstream.on("error", () => socket.destroy());
      socket.once("close", () => upstream.destroy());
      upstream.once("close", () => socket.destroy());
      socket.pipe(upstream).pipe(socket);
    }
  }
}

export async function startFakeProxy(options: FakeProxyOptions): Promise<FakeHttpProxy> {
  return new FakeHttpProxy(options).listen();
}
