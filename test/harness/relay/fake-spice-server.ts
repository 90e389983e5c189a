/** A SPICE server for tests: links channels as scripted, then hands the raw stream over. */
import { constants, generateKeyPairSync, privateDecrypt } from "node:crypto";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { serverOffer } from "#shared/spice/capabilities.ts";
import { type ChannelName, channelName } from "#shared/spice/channel-names.ts";
import { encodeMiniHeader } from "#shared/spice/header.ts";
import {
  encodeLinkReply,
  encodeLinkResult,
  LINK_ERROR,
  type LinkMessage,
  parseLinkHeader,
  parseLinkMessage,
} from "#shared/spice/link.ts";
import { withDeadline } from "../deadline.ts";
import { SocketPeer } from "./socket-peer.ts";

export interface FakeServerOptions {
  readonly password?: string;
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Answer the link message with this error. */
  readonly replyError?: number;
  /** Answer the ticket with this result, right or wrong. */
  readonly result?: number;
  readonly commonCapabilities?: readonly number[];
  /** Zeros, as a SASL server sends, or anything else of 162 bytes. */
  readonly publicKey?: Uint8Array;
  /** Takes the connection over before the link. */
  readonly onConnection?: (peer: SocketPeer) => void;
  /** Said to be the session's id in MAIN_INIT. */
  readonly sessionId?: number;
}

/** A channel that was linked. */
export interface ServedChannel {
  readonly peer: SocketPeer;
  readonly link: LinkMessage;
  readonly channel: ChannelName;
  readonly password: string;
}

export const SESSION_ID = 0x1234_5678;

/** Counts what was dialled; close it with `await using`. */
export class FakeSpiceServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #options: FakeServerOptions;
  readonly #channels: ServedChannel[] = [];
  readonly #waiters: ((channel: ServedChannel) => void)[] = [];
  readonly sockets = new Set<Socket>();
  connectionCount = 0;

  constructor(options: FakeServerOptions) {
    this.#options = options;
    const onSocket = (socket: Socket): void => {
      void this.#serve(new SocketPeer(socket));
    };
    const base = { allowHalfOpen: true, noDelay: true };
    this.#server =
      options.tls === undefined
        ? createServer(base, onSocket)
        : createTlsServer({ ...base, ...options.tls }, onSocket);
    this.#server.on("tlsClientError", (_error, socket: Socket) => socket.destroy());
    this.#server.on("connection", (socket: Socket) => {
      this.connectionCount += 1;
      this.sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => this.sockets.delete(socket));
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, "127.0.0.1", resolve);
    });
    return this;
  }

  /** The next channel that is linked, in order. */
  async nextChannel(): Promise<ServedChannel> {
    const ready = this.#channels.shift();
    if (ready !== undefined) {
      return ready;
    }
    const coming = new Promise<ServedChannel>((resolve) => {
      this.#waiters.push(resolve);
    });
    return withDeadline(coming, 8_000, "a channel at the fake server");
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

  async #serve(peer: SocketPeer): Promise<void> {
    if (this.#options.onConnection !== undefined) {
      this.#options.onConnection(peer);
      return;
    }
    try {
      await this.#link(peer);
    } catch {
      peer.destroy();
    }
  }

  async #link(peer: SocketPeer): Promise<void> {
    const options = this.#options;
    const header = parseLinkHeader(await peer.read(16));
    const link = parseLinkMessage(await peer.read(header.sizeBytes));
    const channel = channelName(link.channelType) ?? "main";
    const error = options.replyError ?? LINK_ERROR.OK;
    const publicKey = error === LINK_ERROR.OK ? PAIR.publicKey : new Uint8Array(162);
    peer.send(
      encodeLinkReply({
        error,
        publicKey: options.publicKey ?? publicKey,
        commonCapabilities: options.commonCapabilities ?? serverOffer(channel).common,
        channelCapabilities: serverOffer(channel).channel,
      }),
    );
    await peer.read(4);
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const key = { key: PAIR.privateKey, padding, oaepHash: "sha1" };
    const plain = privateDecrypt(key, await peer.read(128));
    const password = plain.subarray(0, plain.indexOf(0)).toString();
    const isRight = password === (options.password ?? "sekret");
    const result = isRight ? LINK_ERROR.OK : LINK_ERROR.PERMISSION_DENIED;
    peer.send(encodeLinkResult(options.result ?? result));
    if ((options.result ?? result) !== LINK_ERROR.OK) {
      peer.stream.end();
      return;
    }
    if (channel === "main") {
      peer.send(encodeMainInit(options.sessionId ?? SESSION_ID));
    }
    const served = { peer, link, channel, password };
    const waiter = this.#waiters.shift();
    if (waiter === undefined) {
      this.#channels.push(served);
    } else {
      waiter(served);
    }
  }
}

export async function startFakeServer(options: FakeServerOptions = {}): Promise<FakeSpiceServer> {
  return new FakeSpiceServer(options).listen();
}

/** One message with a mini header. */
export function encodeMessage(type: number, body: Uint8Array): Buffer {
  return Buffer.concat([encodeMiniHeader({ type, sizeBytes: body.length }), body]);
}

/** MAIN_INIT with header: 38 bytes. */
export function encodeMainInit(sessionId: number): Buffer {
  const body = Buffer.alloc(32);
  body.writeUInt32LE(sessionId, 0);
  return encodeMessage(103, body);
}

export const MAIN_INIT_MESSAGE_BYTES = 38;
const PAIR = generateKeyPairSync("rsa", {
  modulusLength: 1024,
  publicKeyEncoding: { type: "spki", format: "der" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
});
