/** What every listener hands on: a byte stream, and what is known of it so far. */
import type { Duplex } from "node:stream";

export interface ClientConnection {
  /** Half-open is allowed on it: whoever takes it must destroy it in the end. */
  readonly stream: Duplex;
  /** The client's IP address. */
  readonly clientAddress: string;
}
