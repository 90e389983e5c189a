/**
 * The load: SPICE clients that open sessions over a route, and what they measure. A route's server
 * side is the same fake hypervisor whichever way it is reached.
 */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { encodeMiniHeader, MINI_HEADER_BYTES } from "#shared/spice/header.ts";
import type { ChannelName } from "#shared/spice/channel-names.ts";
import { MAIN_INIT_MESSAGE_BYTES, SESSION_ID } from "../../harness/relay/fake-spice-server.ts";
import { FakeSpiceClient } from "../../harness/relay/fake-spice-client.ts";
import { answerQuestions } from "./bench-process.ts";
import { encodeStreamRequest, type StreamRequest } from "./stream-request.ts";

/** One way to the server, and the password that opens one session there. */
export interface Route {
  readonly port: number;
  /** The CA of a proxy's certificate; null is plain TCP. */
  readonly ca: string | null;
  readonly password: string;
  /** The TLS group that is asked for; {@link DEFAULT_GROUP} if none is named. */
  readonly group?: string;
}

export type ClientQuestion =
  /** Answers with the milliseconds until all came. */
  | { readonly kind: "bulk"; readonly route: Route; readonly byteCount: number }
  /** Streams in the background at a pace until `stop`. */
  | { readonly kind: "flow"; readonly route: Route; readonly bytesPerMs: number }
  /** Answers with the milliseconds of each exchange, route by route, taken in turns. */
  | { readonly kind: "exchange"; readonly routes: readonly Route[]; readonly count: number }
  /** Answers with the milliseconds from the TCP connection to the first message. */
  | { readonly kind: "connect"; readonly route: Route }
  /** Opens a session with so many channels and holds it until `stop`. */
  | { readonly kind: "hold"; readonly route: Route; readonly channelCount: number }
  | { readonly kind: "stop" };

const held = new Set<Client>();

/** A client that counts what comes once it is linked, without keeping it. */
class Client extends FakeSpiceClient {
  receivedBytes = 0;
  #isCounting = false;
  #target: { readonly byteCount: number; readonly resolve: () => void } | null = null;

  static async open(route: Route): Promise<Client> {
    const opened = Promise.withResolvers<Client>();
    const onread = {
      buffer: RECEIVED,
      callback: (byteCount: number): boolean => client.#take(byteCount),
    };
    const options = { host: "127.0.0.1", port: route.port, onread };
    const { ca, group = DEFAULT_GROUP } = route;
    const socket: Socket =
      ca === null
        ? connectTcp({ ...options, noDelay: true })
        : connectTls({ ...options, ...TLS_OFFER, ecdhCurve: group, ca });
    const client: Client = new Client(socket);
    socket.once("error", opened.reject);
    socket.once(ca === null ? "connect" : "secureConnect", () => {
      socket.setNoDelay(true);
      opened.resolve(client);
    });
    return opened.promise;
  }

  /** Resolves when so many bytes have come since this call; they are not kept. */
  async count(byteCount: number): Promise<void> {
    this.#isCounting = true;
    this.receivedBytes = 0;
    this.stream.resume();
    const done = Promise.withResolvers<void>();
    this.#target = { byteCount, resolve: done.resolve };
    return done.promise;
  }

  #take(byteCount: number): boolean {
    if (!this.#isCounting) {
      return this.stream.push(Buffer.from(RECEIVED.subarray(0, byteCount)));
    }
    this.receivedBytes += byteCount;
    if (this.#target !== null && this.receivedBytes >= this.#target.byteCount) {
      this.#target.resolve();
    }
    return true;
  }
}

async function openMain(route: Route): Promise<Client> {
  const client = await Client.open(route);
  await mustLink(client, route, { channel: "main" });
  await client.read(MAIN_INIT_MESSAGE_BYTES);
  held.add(client);
  return client;
}

async function openChannel(route: Route, channel: ChannelName, channelId = 0): Promise<Client> {
  const client = await Client.open(route);
  await mustLink(client, route, { channel, channelId, connectionId: SESSION_ID });
  held.add(client);
  return client;
}

async function mustLink(
  client: Client,
  route: Route,
  which: {
    readonly channel: ChannelName;
    readonly channelId?: number;
    readonly connectionId?: number;
  },
): Promise<void> {
  const result = await client.link(route.password, which);
  if (result !== "OK") {
    throw new Error(`the link was answered with ${String(result)}`);
  }
}

function close(...clients: readonly Client[]): void {
  for (const client of clients) {
    held.delete(client);
    client.destroy();
  }
}

async function startStream(
  route: Route,
  request: StreamRequest,
): Promise<{ readonly clients: readonly Client[]; readonly done: Promise<void> }> {
  const clients = [await openMain(route), await openChannel(route, "display")] as const;
  const done = clients[1].count(request.byteCount);
  clients[1].send(encodeStreamRequest(request));
  return { clients, done };
}

async function bulk(route: Route, byteCount: number): Promise<number> {
  const startedMs = performance.now();
  const { clients, done } = await startStream(route, { byteCount, bytesPerMs: 0 });
  await done;
  const elapsedMs = performance.now() - startedMs;
  close(...clients);
  return elapsedMs;
}

async function exchange(routes: readonly Route[], count: number): Promise<number[][]> {
  const mains = await Promise.all(routes.map((route) => openMain(route)));
  const ports = await Promise.all(routes.map((route) => openChannel(route, "port")));
  const taken = routes.map((): number[] => []);
  for (let round = -WARM_UP_COUNT; round < count; round += TURN_COUNT) {
    for (const [index, port] of ports.entries()) {
      const series = await exchangeInTurn(port);
      taken[index]?.push(...(round < 0 ? [] : series));
    }
  }
  close(...mains, ...ports);
  return taken;
}

async function exchangeInTurn(port: Client): Promise<number[]> {
  const series: number[] = [];
  for (let turn = 0; turn < TURN_COUNT; turn += 1) {
    const startedMs = performance.now();
    const received = port.count(PORT_MESSAGE.length);
    port.send(PORT_MESSAGE);
    await received;
    series.push(performance.now() - startedMs);
  }
  return series;
}

async function measureConnect(route: Route): Promise<number> {
  const startedMs = performance.now();
  const client = await openMain(route);
  const elapsedMs = performance.now() - startedMs;
  close(client);
  return elapsedMs;
}

async function hold(route: Route, channelCount: number): Promise<null> {
  await openMain(route);
  for (let channelId = 1; channelId < channelCount; channelId += 1) {
    await openChannel(route, "port", channelId);
  }
  return null;
}

async function flow(route: Route, bytesPerMs: number): Promise<null> {
  await startStream(route, { byteCount: Number.MAX_SAFE_INTEGER, bytesPerMs });
  return null;
}

async function answer(question: ClientQuestion): Promise<unknown> {
  switch (question.kind) {
    case "bulk":
      return bulk(question.route, question.byteCount);
    case "flow":
      return flow(question.route, question.bytesPerMs);
    case "exchange":
      return exchange(question.routes, question.count);
    case "connect":
      return measureConnect(question.route);
    case "hold":
      return hold(question.route, question.channelCount);
    case "stop":
      close(...held);
      return null;
    default:
      throw new Error("an unknown question");
  }
}

/** What was read last, by whichever client: reading is synchronous, so one serves all. */
const RECEIVED = Buffer.allocUnsafeSlow(256 * 1024);
/** One choice, so that all proxies do the same work whatever their OpenSSL prefers. */
const TLS_OFFER = {
  minVersion: "TLSv1.3",
  ciphers: "TLS_AES_128_GCM_SHA256",
} as const;
const DEFAULT_GROUP = "X25519";
const WARM_UP_COUNT = 1_000;
/** Exchanges on one route before it is the next one's turn. */
const TURN_COUNT = 50;
/** 64 bytes in all: PORT_EVENT's neighbour SPICEVMC_DATA, lawful in both directions. */
const PORT_MESSAGE = Buffer.concat([
  encodeMiniHeader({ type: 101, sizeBytes: 64 - MINI_HEADER_BYTES }),
  Buffer.alloc(64 - MINI_HEADER_BYTES, 0x2e),
]);

answerQuestions<ClientQuestion>(answer);
