/**
 * The demo console for machines without QEMU: a small SPICE server on loopback that shows a test
 * card and turns keys into colours. Like a real one it has one client at a time: a new main channel
 * ends the session before it. Plain TCP, behind a password.
 */
import { randomInt } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { assert } from "#shared/base/assert.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { SpiceError } from "#shared/spice/errors.ts";
import { encodeLinkResult, LINK_ERROR } from "#shared/spice/link.ts";
import type { DemoConsole } from "../demo-console-kind.ts";
import { acceptLink, type LinkKey, makeLinkKey } from "./accept-link.ts";
import { CardChannel } from "./card-channel.ts";
import { ExactReader } from "./exact-reader.ts";
import { Picture } from "./picture.ts";
import { type Card, serveChannel } from "./serve-channel.ts";

/** A running test card; its picture is there for tests to compare with. */
export interface TestCard extends DemoConsole {
  readonly kind: "test-card";
  readonly picture: Picture;
}

/** Starts a test card on a free port of 127.0.0.1. @param password at most 60 bytes */
export async function startTestCard(password: string): Promise<Result<TestCard, string>> {
  const card = new TestCardServer(await makeLinkKey(), password);
  return card.listen();
}

/** The session of the present client. */
interface CardSession {
  readonly id: number;
  readonly channels: Set<CardChannel>;
}

class TestCardServer {
  readonly #key: LinkKey;
  readonly #password: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #card: Card = { picture: new Picture(), changeListeners: new Set() };
  #session: CardSession | null = null;

  constructor(key: LinkKey, password: string) {
    this.#key = key;
    this.#password = password;
    this.#server = createServer({ noDelay: true }, (socket) => this.#onSocket(socket));
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  listen(): Promise<Result<TestCard, string>> {
    const exited = new Promise<void>((resolve) => {
      this.#server.once("close", () => resolve());
    });
    return new Promise((resolve) => {
      this.#server.once("error", (error) => {
        resolve(fail(`the test card cannot listen on ${HOST}: ${error.message}`));
      });
      this.#server.listen(0, HOST, () => {
        const address = this.#server.address();
        assert(typeof address === "object" && address !== null, "a TCP server has a port");
        resolve(ok(this.#describe(address.port, exited)));
      });
    });
  }

  #describe(port: number, exited: Promise<void>): TestCard {
    const stop = (): Promise<void> => {
      this.#server.close();
      for (const socket of this.#sockets) {
        socket.destroy();
      }
      return exited;
    };
    const { picture } = this.#card;
    return { kind: "test-card", host: HOST, port, password: this.#password, picture, exited, stop };
  }

  #onSocket(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    // A reset ends the reads, which is all that anybody needs to know of it.
    socket.on("error", () => {});
    this.#serve(socket).then(
      () => socket.end(),
      (error: unknown) => {
        socket.destroy();
        if (!(error instanceof SpiceError)) {
          throw error;
        }
      },
    );
  }

  async #serve(socket: Socket): Promise<void> {
    socket.setTimeout(LINK_TIMEOUT_MS, () => socket.destroy());
    const reader = new ExactReader(socket);
    const link = await acceptLink(socket, reader, this.#key, this.#password);
    if (link === null) {
      return;
    }
    const session = link.channel === "main" ? this.#beginSession() : this.#session;
    if (session === null || (link.channel !== "main" && link.connectionId !== session.id)) {
      socket.write(encodeLinkResult(LINK_ERROR.BAD_CONNECTION_ID));
      return;
    }
    socket.setTimeout(0);
    socket.write(encodeLinkResult(LINK_ERROR.OK));
    const channel = new CardChannel(socket, reader, link);
    session.channels.add(channel);
    try {
      await serveChannel(channel, this.#card, session.id);
    } finally {
      session.channels.delete(channel);
      if (channel.name === "main") {
        this.#endSession(session);
      }
    }
  }

  #beginSession(): CardSession {
    if (this.#session !== null) {
      this.#endSession(this.#session);
    }
    this.#session = { id: randomInt(1, SESSION_ID_END), channels: new Set() };
    return this.#session;
  }

  /** Closes the session's channels. Idempotent. */
  #endSession(session: CardSession): void {
    for (const channel of session.channels) {
      channel.close();
    }
    if (this.#session === session) {
      this.#session = null;
    }
  }
}

const HOST = "127.0.0.1";
/** Four channels of one client, and room for a next client and for strangers that are refused. */
const CONNECTIONS_MAX = 32;
/** A client on the same machine links in milliseconds; a person does not take part in it. */
const LINK_TIMEOUT_MS = 10_000;
const SESSION_ID_END = 2 ** 32;
