/**
 * Messages that every channel has (spice.proto, BaseChannel; numbers in enums.h, SPICE_MSG_* and
 * SPICE_MSGC_* without a channel's name).
 */
import { type EntryLayout, KIB, messageTable, MIB, QUIET } from "../message-row.ts";

/** Migration state of a channel: spice.proto leaves its length open; bounded, never interpreted. */
const MIGRATE_DATA_BYTES_MAX = 16 * MIB;

/** One count byte, then at most 255 entries of channel type, channel id and a u64 serial. */
const WAIT_LIST: EntryLayout = { countBytes: 1, entryBytes: 10 };
export const WAIT_LIST_BYTES_MAX = 1 + 255 * WAIT_LIST.entryBytes;

export const BASE_SERVER = messageTable({
  MIGRATE: [1, 4, 4, QUIET],
  MIGRATE_DATA: [2, 0, MIGRATE_DATA_BYTES_MAX, QUIET],
  SET_ACK: [3, 8, 8, QUIET],
  // u32 id, u64 time, then padding: the server's bandwidth test pads with about 250 kB.
  PING: [4, 12, MIB, QUIET],
  WAIT_FOR_CHANNELS: [5, 1, WAIT_LIST_BYTES_MAX, { quiet: true, entries: WAIT_LIST }],
  DISCONNECTING: [6, 12],
  // u64 time, four u32 of which the last is the length of the text that follows.
  NOTIFY: [7, 24, 64 * KIB],
  // Sub-messages in one body: with mini headers the display sends its cache invalidations so, up
  // to 65,535 resources of 9 bytes. What is listed is judged too, and says whether it is quiet.
  LIST: [8, 2, MIB, QUIET],
});

export const BASE_CLIENT = messageTable({
  ACK_SYNC: [1, 4, 4, QUIET],
  ACK: [2, 0, 0, QUIET],
  // u32 id, u64 time: the padding of a PING is not sent back.
  PONG: [3, 12, 12, QUIET],
  MIGRATE_FLUSH_MARK: [4, 0, 0, QUIET],
  MIGRATE_DATA: [5, 0, MIGRATE_DATA_BYTES_MAX, QUIET],
  DISCONNECTING: [6, 12],
});
