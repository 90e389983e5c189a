/** A SPICE server for tests: links channels as scripted, then hands the raw stream over. */
import { constants, generateKeyPairSync, privateDecrypt } from "node:crypto";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { COMMON_CAPABILITY, hasCapability, serverOffer } from "#shared/spice/capabilities.ts";
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
import type { DialTarget } from "../../../relay/sessions/ports.ts";
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
  readonly channelCapabilities?: readonly number[];
  /** Zeros, as a SASL server sends, or anything else of 162 bytes. */
  readonly publicKey?: Uint8Array;
  /** The server waits for it before it answers the link message, or the ticket. */
  readonly beforeReply?: () => Promise<void>;
  readonly beforeResult?: () => Promise<void>;
  /** Told of each connection before its link. */
  readonly onPeer?: (peer: SocketPeer) => void;
  /** Sends the reply and the result in its own way. */
  readonly sendWith?: (peer: SocketPeer, bytes: Uint8Array) => Promise<void>;
  /** An address of this machine other than 127.0.0.1. */
  readonly host?: string;
  /** Takes the connection over before the link. */
  readonly onConnection?: (peer: SocketPeer) => void;
  /** Takes each linked channel, in place of `nextChannel`. */
  readonly onChannel?: (channel: ServedChannel) => void;
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
  #closeWaiters: (() => void)[] = [];
  readonly #waiters: ((channel: ServedChannel) => void)[] = [];
  readonly sockets = new Set<Socket>();
  /** Link messages that came, whatever became of them. */
  readonly links: LinkMessage[] = [];
  connectionCount = 0;
  /** Tickets that came: each is a client that could throw another one out. */
  ticketCount = 0;

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
      socket.once("close", () => {
        this.sockets.delete(socket);
        for (const resolve of this.#closeWaiters.splice(0)) {
          resolve();
        }
      });
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

  /** Does what a real server does with a connection whose client left: closes it too. */
  closeAbandoned(): void {
    for (const socket of this.sockets) {
      if (socket.readableEnded) {
        socket.end();
      }
      socket.once("end", () => socket.end());
      socket.resume();
    }
  }

  /** The next close of a connection, from this call on. */
  async nextClose(): Promise<void> {
    const closing = new Promise<void>((resolve) => {
      this.#closeWaiters.push(resolve);
    });
    await withDeadline(closing, 8_000, "a connection's close at the fake server");
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
    this.#options.onPeer?.(peer);
    try {
      await this.#link(peer);
    } catch {
      peer.destroy();
    }
  }

  async #send(peer: SocketPeer, bytes: Uint8Array): Promise<void> {
    if (this.#options.sendWith === undefined) {
      peer.send(bytes);
    } else {
      await this.#options.sendWith(peer, bytes);
    }
  }

  async #link(peer: SocketPeer): Promise<void> {
    const options = this.#options;
    const header = parseLinkHeader(await peer.read(16));
    const link = parseLinkMessage(await peer.read(header.sizeBytes));
    this.links.push(link);
    const channel = channelName(link.channelType) ?? "main";
    const common = options.commonCapabilities ?? serverOffer(channel).common;
    await options.beforeReply?.();
    const error = options.replyError ?? LINK_ERROR.OK;
    const publicKey = error === LINK_ERROR.OK ? PAIR.publicKey : new Uint8Array(162);
    await this.#send(
      peer,
      encodeLinkReply({
        error,
        publicKey: options.publicKey ?? publicKey,
        commonCapabilities: common,
        channelCapabilities: options.channelCapabilities ?? serverOffer(channel).channel,
      }),
    );
    if (statesBoth(COMMON_CAPABILITY.PROTOCOL_AUTH_SELECTION, common, link.commonCapabilities)) {
      await peer.read(4);
    }
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const key = { key: PAIR.privateKey, padding, oaepHash: "sha1" };
    const plain = privateDecrypt(key, await peer.read(128));
    this.ticketCount += 1;
    await options.beforeResult?.();
    const password = plain.subarray(0, plain.indexOf(0)).toString();
    const isRight = password === (options.password ?? "sekret");
    const result = isRight ? LINK_ERROR.OK : LINK_ERROR.PERMISSION_DENIED;
    await this.#send(peer, encodeLinkResult(options.result ?? result));
    if ((options.result ?? result) !== LINK_ERROR.OK) {
      peer.stream.end();
      return;
    }
    if (channel === "main") {
      const isMini = statesBoth(COMMON_CAPABILITY.MINI_HEADER, common, link.commonCapabilities);
      const sessionId = options.sessionId ?? SESSION_ID;
      peer.send(isMini ? encodeMainInit(sessionId) : encodeFullMainInit(sessionId));
    }
    const served = { peer, link, channel, password };
    if (options.onChannel !== undefined) {
      options.onChannel(served);
      return;
    }
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

/** A target on loopback with the fake server's usual password. */
export function targetOf(
  server: { readonly port: number },
  target: Partial<DialTarget> = {},
): DialTarget {
  return {
    host: "127.0.0.1",
    port: server.port,
    tlsPort: null,
    ca: null,
    hostSubject: null,
    proxy: null,
    password: "sekret",
    ...target,
  };
}

/** One message with a mini header. */
export function encodeMessage(type: number, body: Uint8Array): Buffer {
  return Buffer.concat([encodeMiniHeader({ type, sizeBytes: body.length }), body]);
}

/** MAIN_INIT with header: 38 bytes. */
export function encodeMainInit(sessionId: number): Buffer {
  return encodeMessage(103, mainInitBody(sessionId));
}

/** MAIN_INIT with an 18-byte header (serial 8, type 2, size 4, sub-list 4): 50 bytes. */
export function encodeFullMainInit(sessionId: number): Buffer {
  const body = mainInitBody(sessionId);
  const header = Buffer.alloc(18);
  header.writeUInt32LE(1, 0);
  header.writeUInt16LE(103, 8);
  header.writeUInt32LE(body.length, 10);
  return Buffer.concat([header, body]);
}

function mainInitBody(sessionId: number): Buffer {
  const body = Buffer.alloc(32);
  body.writeUInt32LE(sessionId, 0);
  return body;
}

function statesBoth(bit: number, one: readonly number[], other: readonly number[]): boolean {
  return hasCapability(one, bit) && hasCapability(other, bit);
}

export const MAIN_INIT_MESSAGE_BYTES = 38;
export const FULL_MAIN_INIT_MESSAGE_BYTES = 50;
const PAIR = generateKeyPairSync("rsa", {
  modulusLength: 1024,
  publicKeyEncoding: { type: "spki", format: "der" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
});
