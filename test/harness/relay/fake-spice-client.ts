/** A SPICE client for tests, step by step, so that a test can stop or lie at each. */
import { constants, createPublicKey, publicEncrypt } from "node:crypto";
import { connect as connectTcp } from "node:net";
import { connect } from "node:tls";
import { COMMON_CAPABILITY, hasCapability } from "#shared/spice/capabilities.ts";
import { type ChannelName, CHANNEL_TYPE } from "#shared/spice/channel-names.ts";
import {
  AUTH_MECHANISM,
  encodeAuthMechanism,
  encodeLinkMessage,
  type LinkErrorName,
  linkErrorName,
  type LinkReply,
  parseLinkHeader,
  parseLinkReply,
  parseLinkResult,
} from "#shared/spice/link.ts";
import { SocketPeer } from "./socket-peer.ts";

export interface ClientChannelOptions {
  readonly channel?: ChannelName;
  readonly channelId?: number;
  readonly connectionId?: number;
  readonly commonCapabilities?: readonly number[];
  readonly channelCapabilities?: readonly number[];
}

/** What spice-gtk 0.42 sends on main: AUTH_SELECTION, SASL, MINI_HEADER. */
export const CLIENT_COMMON = [0x0d];

/** One TLS connection to a relay. */
export class FakeSpiceClient extends SocketPeer {
  /** Opens the connection and finishes the TLS handshake. */
  static async connect(port: number, ca: string): Promise<FakeSpiceClient> {
    return new Promise((resolve, reject) => {
      const plain = connectTcp({ host: "127.0.0.1", port, allowHalfOpen: true });
      plain.once("error", reject);
      const socket = connect({ socket: plain, host: "127.0.0.1", ca }, () => {
        socket.off("error", reject);
        resolve(new FakeSpiceClient(socket));
      });
      socket.once("error", reject);
    });
  }

  sendLink(options: ClientChannelOptions = {}): void {
    this.send(linkBytes(options));
  }

  async readReply(): Promise<LinkReply> {
    const header = parseLinkHeader(await this.read(16), "server");
    return parseLinkReply(await this.read(header.sizeBytes));
  }

  /** With the mechanism first, unless one of both sides knows of none (as spice-gtk does). */
  sendTicket(reply: LinkReply, ticket: string, options: ClientChannelOptions = {}): void {
    const bit = COMMON_CAPABILITY.PROTOCOL_AUTH_SELECTION;
    const own = options.commonCapabilities ?? CLIENT_COMMON;
    const selects = hasCapability(own, bit) && hasCapability(reply.commonCapabilities, bit);
    const mechanism = selects ? encodeAuthMechanism(AUTH_MECHANISM.spice) : new Uint8Array();
    this.send(Buffer.concat([mechanism, encrypt(reply, ticket)]));
  }

  async readResult(): Promise<LinkErrorName | null> {
    return linkErrorName(parseLinkResult(await this.read(4)));
  }

  /** Everything up to the link's result. */
  async link(ticket: string, options: ClientChannelOptions = {}): Promise<LinkErrorName | null> {
    this.sendLink(options);
    this.sendTicket(await this.readReply(), ticket, options);
    return this.readResult();
  }
}

/** A link message with its header. */
export function linkBytes(options: ClientChannelOptions = {}): Uint8Array {
  return encodeLinkMessage({
    connectionId: options.connectionId ?? 0,
    channelType: CHANNEL_TYPE[options.channel ?? "main"],
    channelId: options.channelId ?? 0,
    commonCapabilities: options.commonCapabilities ?? CLIENT_COMMON,
    channelCapabilities: options.channelCapabilities ?? [0x0f],
  });
}

/** The ticket and its NUL, encrypted for a server's reply. */
export function encrypt(reply: LinkReply, ticket: string): Buffer {
  const key = createPublicKey({
    key: Buffer.from(reply.publicKey),
    format: "der",
    type: "spki",
  });
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  return publicEncrypt({ key, padding, oaepHash: "sha1" }, Buffer.from(`${ticket}\0`));
}
