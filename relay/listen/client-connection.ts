/** What every listener hands on: a byte stream, and what is known of it so far. */
import type { Duplex } from "node:stream";
import type { SessionClue } from "../sessions/ports.ts";

/** The three ways in that carry SPICE; the plain port only ever refuses. */
export type WayIn = "tls" | "connect" | "websocket";

export interface ClientConnection {
  /** Names the connection within this relay, from its TCP accept to its end. */
  readonly ref: string;
  /** Half-open is allowed on it: whoever takes it must destroy it in the end. */
  readonly stream: Duplex;
  /** The client's IP address. */
  readonly clientAddress: string;
  readonly way: WayIn;
  /** What the way in told of the session, or null. */
  readonly clue: SessionClue | null;
}
