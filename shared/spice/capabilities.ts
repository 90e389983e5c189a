/**
 * Capability bits of the SPICE link, and the decisions a relay takes about them: what it offers to a
 * client, knowing the server or not, what it tells the server on the client's behalf, and which
 * header both then use.
 *
 * A set is an array of 32-bit words as it is on the wire; bit n is bit (n mod 32) of word n/32.
 * Numbers are those of spice-protocol's protocol.h.
 */
import type { ChannelName } from "./channel-names.ts";
import type { HeaderKind } from "./header.ts";

/** Words of capability bits, in wire order; absent words are zero. */
export type CapabilitySet = readonly number[];

/** protocol.h, SPICE_COMMON_CAP_*. */
export const COMMON_CAPABILITY = {
  PROTOCOL_AUTH_SELECTION: 0,
  AUTH_SPICE: 1,
  AUTH_SASL: 2,
  MINI_HEADER: 3,
} as const;

/** protocol.h, SPICE_MAIN_CAP_*. */
export const MAIN_CAPABILITY = {
  SEMI_SEAMLESS_MIGRATE: 0,
  NAME_AND_UUID: 1,
  AGENT_CONNECTED_TOKENS: 2,
  SEAMLESS_MIGRATE: 3,
} as const;

/** protocol.h, SPICE_DISPLAY_CAP_*. */
export const DISPLAY_CAPABILITY = {
  SIZED_STREAM: 0,
  MONITORS_CONFIG: 1,
  COMPOSITE: 2,
  A8_SURFACE: 3,
  STREAM_REPORT: 4,
  LZ4_COMPRESSION: 5,
  PREF_COMPRESSION: 6,
  GL_SCANOUT: 7,
  MULTI_CODEC: 8,
  CODEC_MJPEG: 9,
  CODEC_VP8: 10,
  CODEC_H264: 11,
  PREF_VIDEO_CODEC_TYPE: 12,
  CODEC_VP9: 13,
  CODEC_H265: 14,
} as const;

/** protocol.h, SPICE_INPUTS_CAP_*. */
export const INPUTS_CAPABILITY = { KEY_SCANCODE: 0 } as const;

/** protocol.h, SPICE_PLAYBACK_CAP_*. */
export const PLAYBACK_CAPABILITY = { CELT_0_5_1: 0, VOLUME: 1, LATENCY: 2, OPUS: 3 } as const;

/** protocol.h, SPICE_RECORD_CAP_*. */
export const RECORD_CAPABILITY = { CELT_0_5_1: 0, VOLUME: 1, OPUS: 2 } as const;

/** protocol.h, SPICE_SPICEVMC_CAP_*: the usbredir, port and webdav channels. */
export const SPICEVMC_CAPABILITY = { DATA_COMPRESS_LZ4: 0 } as const;

/** Both sets that one side of a link states. */
export interface LinkCapabilities {
  readonly common: CapabilitySet;
  readonly channel: CapabilitySet;
}

/** Whether bit `bit` is in the set. */
export function hasCapability(words: CapabilitySet, bit: number): boolean {
  return (((words[bit >>> 5] ?? 0) >>> (bit & 31)) & 1) === 1;
}

/** The set with bit `bit`; it grows by zero words where it must. */
export function withCapability(words: CapabilitySet, bit: number): CapabilitySet {
  const count = Math.max(words.length, (bit >>> 5) + 1);
  return Array.from({ length: count }, (_, index) => {
    const word = words[index] ?? 0;
    return index === bit >>> 5 ? (word | (1 << (bit & 31))) >>> 0 : word;
  });
}

/** The set without bit `bit`; the number of words stays. */
export function withoutCapability(words: CapabilitySet, bit: number): CapabilitySet {
  return words.map((word, index) =>
    index === bit >>> 5 ? (word & ~(1 << (bit & 31))) >>> 0 : word,
  );
}

/**
 * What a relay offers a client on a channel before it knows the server: what current spice-server
 * versions offer there. The reply with these sets goes out before the ticket arrives, so nothing
 * about the session can be known. Mini headers always, SASL never.
 */
export function serverOffer(channel: ChannelName): LinkCapabilities {
  return SERVER_OFFER[channel];
}

/**
 * What a relay offers a client on a channel whose server it has linked already: exactly what that
 * server states there, but with the authentication that the relay itself performs.
 */
export function offerFromServer(serverCapabilities: LinkCapabilities): LinkCapabilities {
  return withRelayAuthentication(serverCapabilities);
}

/**
 * What the server is told: the client's own sets, so that it uses no codec that the client cannot
 * decode, but with the authentication that the relay itself performs.
 */
export function clientCapabilitiesForServer(client: LinkCapabilities): LinkCapabilities {
  return withRelayAuthentication(client);
}

/**
 * The header of every message after the link, in both directions: `mini` only when both sides
 * state MINI_HEADER. A relay passes the client's own sets on, so both legs come to the same answer
 * when `server` is what the client was offered.
 */
export function headerKind(client: LinkCapabilities, server: LinkCapabilities): HeaderKind {
  const mini = COMMON_CAPABILITY.MINI_HEADER;
  return hasCapability(client.common, mini) && hasCapability(server.common, mini) ? "mini" : "full";
}

/** The sets with exactly the authentication that a relay performs on both legs: SPICE tickets. */
function withRelayAuthentication(stated: LinkCapabilities): LinkCapabilities {
  const selected = withCapability(stated.common, COMMON_CAPABILITY.PROTOCOL_AUTH_SELECTION);
  const ticketed = withCapability(selected, COMMON_CAPABILITY.AUTH_SPICE);
  return {
    common: withoutCapability(ticketed, COMMON_CAPABILITY.AUTH_SASL),
    channel: stated.channel,
  };
}

/** The set of exactly these bits; no word at all when there are none. */
function capabilitySet(...bits: readonly number[]): CapabilitySet {
  return bits.reduce<CapabilitySet>(withCapability, []);
}

const COMMON_OFFER = capabilitySet(
  COMMON_CAPABILITY.PROTOCOL_AUTH_SELECTION,
  COMMON_CAPABILITY.AUTH_SPICE,
  COMMON_CAPABILITY.MINI_HEADER,
);

const offer = (...bits: readonly number[]): LinkCapabilities => ({
  common: COMMON_OFFER,
  channel: capabilitySet(...bits),
});

const SERVER_OFFER: Readonly<Record<ChannelName, LinkCapabilities>> = {
  main: offer(
    MAIN_CAPABILITY.SEMI_SEAMLESS_MIGRATE,
    MAIN_CAPABILITY.NAME_AND_UUID,
    MAIN_CAPABILITY.AGENT_CONNECTED_TOKENS,
    MAIN_CAPABILITY.SEAMLESS_MIGRATE,
  ),
  display: offer(
    DISPLAY_CAPABILITY.MONITORS_CONFIG,
    DISPLAY_CAPABILITY.STREAM_REPORT,
    DISPLAY_CAPABILITY.PREF_COMPRESSION,
    DISPLAY_CAPABILITY.PREF_VIDEO_CODEC_TYPE,
  ),
  inputs: offer(INPUTS_CAPABILITY.KEY_SCANCODE),
  cursor: offer(),
  playback: offer(PLAYBACK_CAPABILITY.VOLUME, PLAYBACK_CAPABILITY.OPUS),
  record: offer(RECORD_CAPABILITY.VOLUME, RECORD_CAPABILITY.OPUS),
  tunnel: offer(),
  smartcard: offer(),
  usbredir: offer(SPICEVMC_CAPABILITY.DATA_COMPRESS_LZ4),
  port: offer(SPICEVMC_CAPABILITY.DATA_COMPRESS_LZ4),
  webdav: offer(SPICEVMC_CAPABILITY.DATA_COMPRESS_LZ4),
};
