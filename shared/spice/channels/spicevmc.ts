/**
 * The channels that carry another protocol's bytes: usbredir, port and webdav (numbers in enums.h,
 * SPICE_MSG_SPICEVMC_*, SPICE_MSG_PORT_* and their SPICE_MSGC_ twins; layout from spice.proto,
 * SpicevmcChannel and PortChannel, which webdav inherits).
 */
import { KIB, messageTable, MIB } from "../message-row.ts";

/** A piece of the carried stream; the server cuts it where it was read, the client likewise. */
const CARRIED_BYTES_MAX = 16 * MIB;

export const USBREDIR_SERVER = messageTable({
  SPICEVMC_DATA: [101, 0, CARRIED_BYTES_MAX],
  // A type byte, the size before compression, the compressed bytes.
  SPICEVMC_COMPRESSED_DATA: [102, 1, CARRIED_BYTES_MAX],
});

export const USBREDIR_CLIENT = messageTable({
  SPICEVMC_DATA: [101, 0, CARRIED_BYTES_MAX],
  SPICEVMC_COMPRESSED_DATA: [102, 1, CARRIED_BYTES_MAX],
});

export const PORT_SERVER = {
  ...USBREDIR_SERVER,
  ...messageTable({
    // Length and offset of the port's name, whether it is open, the name.
    PORT_INIT: [201, 9, 64 * KIB],
    PORT_EVENT: [202, 1],
  }),
} as const;

export const PORT_CLIENT = {
  ...USBREDIR_CLIENT,
  ...messageTable({ PORT_EVENT: [201, 1] }),
} as const;
