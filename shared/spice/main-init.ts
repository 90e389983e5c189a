/**
 * MAIN_INIT, the server's first message on the main channel (spice.proto, MainChannel.init): it
 * gives out the session id that every later channel presents as its connection id.
 */
import { ByteReader } from "./byte-reader.ts";
import { SpiceError } from "./errors.ts";

/** Eight u32. */
export const MAIN_INIT_BYTES = 32;

export interface MainInit {
  /** The connection id of the session's other channels; not 0. */
  readonly sessionId: number;
  readonly displayChannelsHint: number;
  readonly supportedMouseModes: number;
  readonly currentMouseMode: number;
  readonly agentConnected: boolean;
  readonly agentTokens: number;
  readonly multiMediaTime: number;
  readonly ramHint: number;
}

/**
 * The body of MAIN_INIT.
 * @throws {SpiceError} message.size-unlawful when it is not exactly MAIN_INIT_BYTES long.
 */
export function parseMainInit(body: Uint8Array): MainInit {
  if (body.length !== MAIN_INIT_BYTES) {
    throw new SpiceError("message.size-unlawful", {
      needed: MAIN_INIT_BYTES,
      available: body.length,
      max: MAIN_INIT_BYTES,
    });
  }
  const reader = new ByteReader(body, "message.size-unlawful");
  return {
    sessionId: reader.u32(),
    displayChannelsHint: reader.u32(),
    supportedMouseModes: reader.u32(),
    currentMouseMode: reader.u32(),
    agentConnected: reader.u32() !== 0,
    agentTokens: reader.u32(),
    multiMediaTime: reader.u32(),
    ramHint: reader.u32(),
  };
}
