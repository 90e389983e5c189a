/**
 * A TCP hop in front of a SPICE server that remembers what both sides said at the link, and can take
 * capabilities out of the server's reply, so that a real server offers what it usually does not.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { LinkCapabilities } from "#shared/spice/capabilities.ts";
import { channelName } from "#shared/spice/channel-names.ts";
import {
  encodeLinkReply,
  LINK_HEADER_BYTES,
  type LinkErrorName,
  linkErrorName,
  type LinkReply,
  parseLinkHeader,
  parseLinkMessage,
  parseLinkReply,
} from "#shared/spice/link.ts";
import { eventually } from "./deadline.ts";

/** What was said on one connection. */
export interface RecordedLink {
  /** Such as "display:0". */
  readonly channel: string;
  readonly client: LinkCapabilities;
  /** As the server sent it. */
  readonly server: LinkCapabilities;
  /** Whether the server's reply was an error. */
  readonly answer: LinkErrorName | null;
}

export type EditReply = (reply: LinkReply) => LinkReply;

/** A hop on a loopback port of its own. Ends with `await using`. */
export class RecordingHop implements AsyncDisposable {
  readonly #server: Server;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #sockets = new Set<Socket>();
  readonly #links: (() => RecordedLink | null)[] = [];
  readonly #edit: EditReply;

  /** @param edit changes what the server says of itself before it is passed on */
  constructor(
    target: { readonly host: string; readonly port: number },
    edit: EditReply = (reply) => reply,
  ) {
    this.#target = target;
    this.#edit = edit;
    this.#server = createServer({ noDelay: true }, (socket) => {
      void this.#carry(socket);
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

  /** What was said for that channel, in the last connection for it. */
  async link(channel: string): Promise<RecordedLink> {
    return await eventually(
      `a link of ${channel}`,
      () => this.links().findLast((link) => link.channel === channel) ?? null,
    );
  }

  links(): RecordedLink[] {
    return this.#links.flatMap((read) => read() ?? []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    this.#server.close();
    await once(this.#server, "close");
  }

  async #carry(client: Socket): Promise<void> {
    const { host, port } = this.#target;
    const server = connect({ host, port, noDelay: true });
    const [fromClient, fromServer] = [new Recorder(), new Recorder()];
    this.#links.push(() => readLink(fromClient.head, fromServer.head));
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    }
    try {
      await Promise.all([
        pipeline(client, fromClient, server),
        pipeline(server, fromServer, new ReplyEditor(this.#edit), client),
      ]);
    } catch {
      // Either end may go away at any time.
    } finally {
      client.destroy();
      server.destroy();
    }
  }
}

/** Passes everything on and keeps the first bytes. */
class Recorder extends Transform {
  head = Buffer.alloc(0);

  override _transform(chunk: Buffer, _encoding: string, done: () => void): void {
    if (this.head.length < HEAD_BYTES) {
      this.head = Buffer.concat([this.head, chunk.subarray(0, HEAD_BYTES - this.head.length)]);
    }
    this.push(chunk);
    done();
  }
}

/** Holds the server's bytes back until its reply is whole, and passes it on as edited. */
class ReplyEditor extends Transform {
  readonly #edit: EditReply;
  #unread: Buffer | null = Buffer.alloc(0);

  constructor(edit: EditReply) {
    super();
    this.#edit = edit;
  }

  override _transform(chunk: Buffer, _encoding: string, done: () => void): void {
    if (this.#unread === null) {
      this.push(chunk);
      done();
      return;
    }
    this.#unread = Buffer.concat([this.#unread, chunk]);
    const body = linkBody(this.#unread, "server");
    if (body !== null) {
      this.push(encodeLinkReply(this.#edit(parseLinkReply(body))));
      this.push(this.#unread.subarray(LINK_HEADER_BYTES + body.length));
      this.#unread = null;
    }
    done();
  }
}

function readLink(client: Buffer, server: Buffer): RecordedLink | null {
  const [message, reply] = [linkBody(client, "client"), linkBody(server, "server")];
  if (message === null || reply === null) {
    return null;
  }
  const link = parseLinkMessage(message);
  const answer = parseLinkReply(reply);
  return {
    channel: `${channelName(link.channelType) ?? link.channelType}:${link.channelId}`,
    client: { common: link.commonCapabilities, channel: link.channelCapabilities },
    server: { common: answer.commonCapabilities, channel: answer.channelCapabilities },
    answer: linkErrorName(answer.error),
  };
}

function linkBody(bytes: Buffer, from: "client" | "server"): Buffer | null {
  if (bytes.length < LINK_HEADER_BYTES) {
    return null;
  }
  const { sizeBytes } = parseLinkHeader(bytes.subarray(0, LINK_HEADER_BYTES), from);
  const end = LINK_HEADER_BYTES + sizeBytes;
  return bytes.length < end ? null : bytes.subarray(LINK_HEADER_BYTES, end);
}

/** More than a link message or reply has: 4 KiB by libspice-server's own limit. */
const HEAD_BYTES = 8 * 1024;
