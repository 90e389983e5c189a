/**
 * Messages that every channel has (spice.proto, BaseChannel; numbers in enums.h, SPICE_MSG_* and
 * SPICE_MSGC_* without a channel's name).
 */
import { KIB, messageTable, MIB } from "../message-row.ts";

/** Migration state of a channel: spice.proto leaves its length open; bounded, never interpreted. */
const MIGRATE_DATA_BYTES_MAX = 16 * MIB;

/** One count byte, then at most 255 entries of channel type, channel id and a u64 serial. */
export const WAIT_LIST_BYTES_MAX = 1 + 255 * 10;

export const BASE_SERVER = messageTable({
  MIGRATE: [1, 4],
  MIGRATE_DATA: [2, 0, MIGRATE_DATA_BYTES_MAX],
  SET_ACK: [3, 8],
  // u32 id, u64 time, then padding: the server's bandwidth test pads with about 250 kB.
  PING: [4, 12, MIB],
  WAIT_FOR_CHANNELS: [5, 1, WAIT_LIST_BYTES_MAX],
  DISCONNECTING: [6, 12],
  // u64 time, four u32 of which the last is the length of the text that follows.
  NOTIFY: [7, 24, 64 * KIB],
  // Sub-messages in one body: with mini headers the display sends its cache invalidations so, up
  // to 65,535 resources of 9 bytes. What is listed is not judged one by one.
  LIST: [8, 2, MIB],
});

export const BASE_CLIENT = messageTable({
  ACK_SYNC: [1, 4],
  ACK: [2, 0],
  // u32 id, u64 time: the padding of a PING is not sent back.
  PONG: [3, 12],
  MIGRATE_FLUSH_MARK: [4, 0],
  MIGRATE_DATA: [5, 0, MIGRATE_DATA_BYTES_MAX],
  DISCONNECTING: [6, 12],
});
