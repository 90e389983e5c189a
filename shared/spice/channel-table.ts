/**
 * Every message of every channel, to be looked up by number. This is the allow-list of the pump:
 * what has no row here is not SPICE as spice-protocol 0.14 defines it.
 */
import { type ChannelName, CHANNEL_NAMES } from "./channel-names.ts";
import { PLAYBACK_SERVER, RECORD_CLIENT, RECORD_SERVER } from "./channels/audio.ts";
import { BASE_CLIENT, BASE_SERVER } from "./channels/base.ts";
import { CURSOR_SERVER } from "./channels/cursor.ts";
import { DISPLAY_CLIENT, DISPLAY_SERVER } from "./channels/display.ts";
import { INPUTS_CLIENT, INPUTS_SERVER } from "./channels/inputs.ts";
import { MAIN_CLIENT, MAIN_SERVER } from "./channels/main.ts";
import { SMARTCARD_CLIENT, SMARTCARD_SERVER } from "./channels/smartcard.ts";
import { PORT_CLIENT, PORT_SERVER, USBREDIR_CLIENT, USBREDIR_SERVER } from "./channels/spicevmc.ts";
import { SpiceError } from "./errors.ts";
import type { MessageRow, MessageTable } from "./message-row.ts";

export type { MessageRow } from "./message-row.ts";

/** Who sends the message. */
export type Direction = "server" | "client";

/** Rows at the index of their number; numbers beyond its end have none either. */
export type MessageIndex = readonly (MessageRow | null)[];

/**
 * The row of a message, or null when the channel has no such message in that direction. Constant
 * time: the pump asks for each message.
 */
export function messageRow(
  channel: ChannelName,
  direction: Direction,
  type: number,
): MessageRow | null {
  return ROWS[channel][direction][type] ?? null;
}

/**
 * The rows of a channel in one direction at the index of their number, null where there is none:
 * for whoever looks up one message after another.
 */
export function messageIndex(channel: ChannelName, direction: Direction): MessageIndex {
  return ROWS[channel][direction];
}

/** Every row of a channel in one direction, base messages first, by number. */
export function messageRows(channel: ChannelName, direction: Direction): readonly MessageRow[] {
  return ROWS[channel][direction].filter((row) => row !== null);
}

/**
 * The row of a message whose header is lawful; `which` is the channel and the direction.
 * @throws {SpiceError} message.type-unknown or message.size-unlawful
 */
export function judgeHeader(
  which: { readonly channel: ChannelName; readonly direction: Direction },
  type: number,
  sizeBytes: number,
): MessageRow {
  const row = messageRow(which.channel, which.direction, type);
  if (row === null) {
    throw new SpiceError("message.type-unknown", { value: type, available: sizeBytes });
  }
  if (sizeBytes < row.sizeMin || sizeBytes > row.sizeMax) {
    throw new SpiceError("message.size-unlawful", {
      value: type,
      needed: row.sizeMin,
      available: sizeBytes,
      max: row.sizeMax,
    });
  }
  return row;
}

/** A channel's own messages, without those that every channel has. */
interface OwnMessages {
  readonly server: MessageTable;
  readonly client: MessageTable;
}

const NO_MESSAGES: MessageTable = {};

const OWN_MESSAGES: Readonly<Record<ChannelName, OwnMessages>> = {
  main: { server: MAIN_SERVER, client: MAIN_CLIENT },
  display: { server: DISPLAY_SERVER, client: DISPLAY_CLIENT },
  inputs: { server: INPUTS_SERVER, client: INPUTS_CLIENT },
  cursor: { server: CURSOR_SERVER, client: NO_MESSAGES },
  playback: { server: PLAYBACK_SERVER, client: NO_MESSAGES },
  record: { server: RECORD_SERVER, client: RECORD_CLIENT },
  // The tunnel channel is dead: enums.h keeps its number but has dropped its messages.
  tunnel: { server: NO_MESSAGES, client: NO_MESSAGES },
  smartcard: { server: SMARTCARD_SERVER, client: SMARTCARD_CLIENT },
  usbredir: { server: USBREDIR_SERVER, client: USBREDIR_CLIENT },
  port: { server: PORT_SERVER, client: PORT_CLIENT },
  webdav: { server: PORT_SERVER, client: PORT_CLIENT },
};

/** Rows at the index of their number, null where there is none. */
function indexRows(base: MessageTable, own: MessageTable): MessageIndex {
  const rows = [...Object.values(base), ...Object.values(own)];
  const length = Math.max(...rows.map((row) => row.type)) + 1;
  const index = Array.from<unknown, MessageRow | null>({ length }, () => null);
  for (const row of rows) {
    index[row.type] = row;
  }
  return index;
}

const ROWS = Object.fromEntries(
  CHANNEL_NAMES.map((channel) => {
    const own = OWN_MESSAGES[channel];
    return [
      channel,
      {
        server: indexRows(BASE_SERVER, own.server),
        client: indexRows(BASE_CLIENT, own.client),
      },
    ];
  }),
) as Readonly<Record<ChannelName, Readonly<Record<Direction, MessageIndex>>>>;
