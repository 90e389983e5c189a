/** A client's connection through each way in, step by step, so that it can fail at each. */
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { createWebSocketStream, WebSocket } from "ws";
import { pseudoHost, sessionLabel } from "#shared/ticket/session-label.ts";
import type { WayIn } from "../../../relay/listen/client-connection.ts";
import { withDeadline } from "../deadline.ts";
import type { Issued } from "./fake-control.ts";
import { FakeSpiceClient } from "./fake-spice-client.ts";
import { type RelayFixture, type RelayFixtureOptions, startRelay } from "./relay-fixture.ts";
import { secureOver } from "./tls-over.ts";

export const WAYS: readonly WayIn[] = ["tls", "connect", "websocket"];
export const WEB_ORIGIN = "https://console.example.test";

/** A relay with every port and an origin for web consoles. */
export async function startRelayOfAllWays(
  options: RelayFixtureOptions = {},
): Promise<RelayFixture> {
  return startRelay({ plainPort: 0, connectPort: 0, webOrigins: [WEB_ORIGIN], ...options });
}

/** A TCP connection to the port of a way, or to the one that speaks in clear. */
export async function connectWay(relay: RelayFixture, way: WayIn | "plain"): Promise<Socket> {
  const { address, connectAddress, plainAddress } = relay.plane;
  const addresses = { tls: address, websocket: address, connect: connectAddress };
  const port = (way === "plain" ? plainAddress : addresses[way])?.port ?? 0;
  const socket = connectTcp({ host: "127.0.0.1", port, allowHalfOpen: true });
  socket.on("error", () => {});
  await withDeadline(once(socket, "connect"), 5_000, "the TCP connection");
  return socket;
}

/** Asks for the tunnel to an issued ticket's console, and has it. */
export async function openTunnel(socket: Socket, { hash }: Pick<Issued, "hash">): Promise<void> {
  const host = pseudoHost(await sessionLabel(hash));
  socket.write(`CONNECT ${host}:5900 HTTP/1.0\r\n\r\n`);
  const [answer] = (await once(socket, "data")) as [Buffer];
  socket.pause();
  if (!String(answer).includes(" 200 ")) {
    throw new Error(`no tunnel: ${String(answer)}`);
  }
}

/** TLS as a client of that relay, over a TCP connection. */
export async function secureWay(relay: RelayFixture, tcp: Socket): Promise<TLSSocket> {
  return secureOver(tcp, { ca: relay.identity.ca });
}

/** The connection of one channel, brought to where its first byte of SPICE is due. */
export async function openWay(
  relay: RelayFixture,
  way: WayIn,
  issued: Pick<Issued, "hash" | "ticket">,
): Promise<{ readonly tcp: Socket; readonly client: FakeSpiceClient }> {
  const tcp = await connectWay(relay, way);
  if (way === "connect") {
    await openTunnel(tcp, issued);
  }
  const secured = await secureWay(relay, tcp);
  if (way !== "websocket") {
    return { tcp, client: new FakeSpiceClient(secured) };
  }
  const url = `ws://127.0.0.1/console?token=${issued.ticket}`;
  const createConnection = (): TLSSocket => secured;
  const socket = new WebSocket(url, ["binary"], { createConnection, origin: WEB_ORIGIN });
  socket.on("error", () => {});
  await withDeadline(once(socket, "open"), 5_000, "the upgrade");
  return { tcp, client: new FakeSpiceClient(createWebSocketStream(socket)) };
}
