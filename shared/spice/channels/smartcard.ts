/**
 * The smartcard channel (numbers in enums.h; layout from spice.proto, SmartcardChannel): one
 * message each way, a 12-byte header with its own type, reader and length, then data. Clients'
 * five names in enums.h share number 101; the one that carries all of them is kept.
 */
import { messageTable, MIB } from "../message-row.ts";

/** The longest exchange with a card (an extended APDU) has 64 KiB; this leaves room. */
const SMARTCARD_BYTES_MAX = MIB;

export const SMARTCARD_SERVER = messageTable({
  SMARTCARD_DATA: [101, 12, SMARTCARD_BYTES_MAX],
});

export const SMARTCARD_CLIENT = messageTable({
  SMARTCARD_DATA: [101, 12, SMARTCARD_BYTES_MAX],
});
