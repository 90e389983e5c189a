/**
 * Brings a client into a console by each way that a relay offers: a stock client, or a raw connection
 * on which a test says the SPICE link itself. For the WebSocket the stock client goes through a
 * bridge of the test's own, since it speaks none itself.
 */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { connect as connectTls } from "node:tls";
import { createWebSocketStream } from "ws";
import { parseVvFile, type VvFields } from "#shared/ticket/vv-file.ts";
import { FakeSpiceClient } from "./relay/fake-spice-client.ts";
import type { SpiceGtkOptions } from "./spice-gtk-client.ts";
import type { IssuedTicket } from "./control-client.ts";
import type { TestStack } from "./stack.ts";
import {
  openWebSocket,
  WebSocketBridge,
  type WebSocketBridgeOptions,
} from "./web-socket-bridge.ts";

export const WAYS_IN = ["tls", "connect", "websocket"] as const;
export type WayIn = (typeof WAYS_IN)[number];

/** A ticket, and what a client must be told to use it. Ends with `await using`. */
export interface Entrance extends AsyncDisposable {
  readonly ticket: IssuedTicket;
  /** For a stock client. It comes in when the caller connects it. */
  readonly options: SpiceGtkOptions;
  readonly vv: VvFields;
  /** One connection by this way, before the first byte of SPICE. */
  connect(): Promise<FakeSpiceClient>;
}

/** Asks for a ticket for that way. */
export async function openEntrance(
  stack: TestStack,
  consoleId: string,
  way: WayIn,
): Promise<Entrance> {
  const ticket = await stack.requestTicket(consoleId, way === "connect" ? "connect" : "tls");
  const vvFile = await stack.downloadVv(ticket);
  const parsed = parseVvFile(await readFile(vvFile, "utf8"));
  if (!parsed.ok) {
    throw new Error(`the console file does not parse: ${JSON.stringify(parsed.error)}`);
  }
  const vv = parsed.value;
  if (way === "websocket") {
    return await webSocketEntrance({ ticket, vv, origin: stack.url });
  }
  return {
    ticket,
    vv,
    options: { vvFile },
    connect: way === "tls" ? () => FakeSpiceClient.connect(vv.tlsPort, vv.ca) : () => tunnel(vv),
    [Symbol.asyncDispose]: async () => {},
  };
}

async function webSocketEntrance(given: {
  readonly ticket: IssuedTicket;
  readonly vv: VvFields;
  readonly origin: string;
}): Promise<Entrance> {
  const { ticket, vv, origin } = given;
  const options: WebSocketBridgeOptions = {
    url: `wss://${vv.host}:${vv.tlsPort}/console?token=${encodeURIComponent(vv.password)}`,
    ca: vv.ca,
    origin,
  };
  const bridge = await new WebSocketBridge(options).listen();
  return {
    ticket,
    vv,
    options: { host: "127.0.0.1", port: bridge.port, password: vv.password },
    connect: async () => {
      const webSocket = openWebSocket(options);
      await once(webSocket, "open");
      return new FakeSpiceClient(createWebSocketStream(webSocket));
    },
    [Symbol.asyncDispose]: () => bridge[Symbol.asyncDispose](),
  };
}

/** What spice-gtk does with a console file that has a proxy: CONNECT to the host, then TLS. */
async function tunnel(vv: VvFields): Promise<FakeSpiceClient> {
  const asked = request({
    ...{ method: "CONNECT", path: `${vv.host}:${vv.tlsPort}` },
    ...{ host: new URL(vv.proxy ?? "").hostname, port: new URL(vv.proxy ?? "").port },
    agent: false,
  });
  asked.end();
  const [response, socket] = await once(asked, "connect");
  if (response.statusCode !== 200) {
    throw new Error(`CONNECT was answered by ${response.statusCode}`);
  }
  // The certificate is the relay's, not the pseudo host's: a stock client checks its subject.
  const checkServerIdentity = (): undefined => {};
  const secured = connectTls({ socket, ca: vv.ca, checkServerIdentity });
  await once(secured, "secureConnect");
  return new FakeSpiceClient(secured);
}
