/**
 * The main channel: session, agent, migration (numbers in enums.h, SPICE_MSG_MAIN_* and
 * SPICE_MSGC_MAIN_*; sizes from spice.proto, MainChannel).
 */
import { MAIN_INIT_BYTES } from "../main-init.ts";
import { KIB, messageTable, QUIET } from "../message-row.ts";

/**
 * One piece of agent traffic. Servers and clients cut it at 2,048 bytes (vd_agent.h,
 * VD_AGENT_MAX_DATA_SIZE); the bound leaves room for those that cut later.
 */
const AGENT_DATA_BYTES_MAX = 64 * KIB;

/** A host and a certificate subject; no lawful name is near this long. */
const MIGRATION_TARGET_BYTES_MAX = 64 * KIB;

export const MAIN_SERVER = messageTable({
  // Two u16 ports, then length and offset of the host and of the certificate's subject.
  MAIN_MIGRATE_BEGIN: [101, 20, MIGRATION_TARGET_BYTES_MAX, QUIET],
  MAIN_MIGRATE_CANCEL: [102, 0, 0, QUIET],
  MAIN_INIT: [103, MAIN_INIT_BYTES],
  // A u32 count, then two bytes a channel: type and id are one byte each, so 65,536 at most.
  MAIN_CHANNELS_LIST: [104, 4, 4 + 2 * 65_536],
  MAIN_MOUSE_MODE: [105, 4],
  MAIN_MULTI_MEDIA_TIME: [106, 4, 4, QUIET],
  MAIN_AGENT_CONNECTED: [107, 0],
  MAIN_AGENT_DISCONNECTED: [108, 4],
  MAIN_AGENT_DATA: [109, 0, AGENT_DATA_BYTES_MAX],
  MAIN_AGENT_TOKEN: [110, 4, 4, QUIET],
  MAIN_MIGRATE_SWITCH_HOST: [111, 20, MIGRATION_TARGET_BYTES_MAX, QUIET],
  MAIN_MIGRATE_END: [112, 0, 0, QUIET],
  MAIN_NAME: [113, 4, 64 * KIB],
  MAIN_UUID: [114, 16],
  MAIN_AGENT_CONNECTED_TOKENS: [115, 4],
  MAIN_MIGRATE_BEGIN_SEAMLESS: [116, 24, MIGRATION_TARGET_BYTES_MAX, QUIET],
  MAIN_MIGRATE_DST_SEAMLESS_ACK: [117, 0, 0, QUIET],
  MAIN_MIGRATE_DST_SEAMLESS_NACK: [118, 0, 0, QUIET],
});

export const MAIN_CLIENT = messageTable({
  MAIN_CLIENT_INFO: [101, 8],
  MAIN_MIGRATE_CONNECTED: [102, 0, 0, QUIET],
  MAIN_MIGRATE_CONNECT_ERROR: [103, 0, 0, QUIET],
  MAIN_ATTACH_CHANNELS: [104, 0],
  MAIN_MOUSE_MODE_REQUEST: [105, 2],
  MAIN_AGENT_START: [106, 4],
  MAIN_AGENT_DATA: [107, 0, AGENT_DATA_BYTES_MAX],
  MAIN_AGENT_TOKEN: [108, 4, 4, QUIET],
  MAIN_MIGRATE_END: [109, 0, 0, QUIET],
  MAIN_MIGRATE_DST_DO_SEAMLESS: [110, 4, 4, QUIET],
  MAIN_MIGRATE_CONNECTED_SEAMLESS: [111, 0, 0, QUIET],
  // spice.proto leaves its layout open, and no program sends it: a small bound.
  MAIN_QUALITY_INDICATOR: [112, 0, 4 * KIB, QUIET],
});
