/**
 * The playback and record channels: sound to and from the client (numbers in enums.h,
 * SPICE_MSG_PLAYBACK_*, SPICE_MSG_RECORD_*, SPICE_MSGC_RECORD_*; sizes from spice.proto,
 * PlaybackChannel and RecordChannel). Clients send base messages only on playback.
 */
import { KIB, messageTable, MIB, QUIET } from "../message-row.ts";

/** One packet of sound; a second of raw 48 kHz stereo has 192 kB and packets are far shorter. */
const AUDIO_PACKET_BYTES_MAX = MIB;

/** Codec parameters after a mode; unused by the codecs that exist. */
const AUDIO_MODE_BYTES_MAX = 4 * KIB;

/** A count byte, then a u16 a channel. */
const VOLUME_BYTES_MAX = 1 + 2 * 255;

export const PLAYBACK_SERVER = messageTable({
  PLAYBACK_DATA: [101, 4, AUDIO_PACKET_BYTES_MAX],
  PLAYBACK_MODE: [102, 6, AUDIO_MODE_BYTES_MAX],
  PLAYBACK_START: [103, 14],
  PLAYBACK_STOP: [104, 0],
  PLAYBACK_VOLUME: [105, 1, VOLUME_BYTES_MAX],
  PLAYBACK_MUTE: [106, 1],
  PLAYBACK_LATENCY: [107, 4, 4, QUIET],
});

export const RECORD_SERVER = messageTable({
  RECORD_START: [101, 10],
  RECORD_STOP: [102, 0],
  RECORD_VOLUME: [103, 1, VOLUME_BYTES_MAX],
  RECORD_MUTE: [104, 1],
});

export const RECORD_CLIENT = messageTable({
  RECORD_DATA: [101, 4, AUDIO_PACKET_BYTES_MAX],
  RECORD_MODE: [102, 6, AUDIO_MODE_BYTES_MAX],
  RECORD_START_MARK: [103, 4, 4, QUIET],
});
