/** Channel types by their number on the wire (spice-protocol enums.h, SPICE_CHANNEL_*). */
export const CHANNEL_TYPE = {
  main: 1,
  display: 2,
  inputs: 3,
  cursor: 4,
  playback: 5,
  record: 6,
  tunnel: 7,
  smartcard: 8,
  usbredir: 9,
  port: 10,
  webdav: 11,
} as const;

export type ChannelName = keyof typeof CHANNEL_TYPE;

export const CHANNEL_NAMES = [
  "main",
  "display",
  "inputs",
  "cursor",
  "playback",
  "record",
  "tunnel",
  "smartcard",
  "usbredir",
  "port",
  "webdav",
] as const satisfies readonly ChannelName[];

/** The channel's name, or null for a number that SPICE does not define. */
export function channelName(type: number): ChannelName | null {
  return CHANNEL_NAMES[type - 1] ?? null;
}
