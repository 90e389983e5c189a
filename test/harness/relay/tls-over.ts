/**
 * TLS as a client, over a TCP connection that stays in the test's own hands. Why not TLS straight on
 * the socket: Node 24 crashes when a socket is reset (`resetAndDestroy`) whose handle TLS has taken
 * over, and a test of resets must be able to.
 */
import { once } from "node:events";
import type { Socket } from "node:net";
import { duplexPair } from "node:stream";
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";
import { withDeadline } from "../deadline.ts";

/** The secured stream; it closes with the TCP connection, and that one with it. */
export async function secureOver(tcp: Socket, options: ConnectionOptions): Promise<TLSSocket> {
  const [inner, socket] = duplexPair();
  inner.pipe(tcp).pipe(inner);
  inner.on("error", ignoreError);
  tcp.on("error", ignoreError);
  tcp.once("close", () => {
    inner.destroy();
    socket.destroy();
  });
  socket.once("close", () => {
    tcp.destroy();
  });
  const secured = connectTls({ socket, host: "127.0.0.1", ...options });
  secured.on("error", ignoreError);
  await withDeadline(once(secured, "secureConnect"), 5_000, "the TLS handshake");
  return secured;
}

function ignoreError(): void {
  // The 'close' that follows is what tests wait for.
}
