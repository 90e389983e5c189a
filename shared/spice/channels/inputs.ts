/**
 * The inputs channel: keyboard and mouse (numbers in enums.h, SPICE_MSG_INPUTS_* and
 * SPICE_MSGC_INPUTS_*; sizes from spice.proto, InputsChannel, where button masks and keyboard
 * modifiers are 16 bits wide).
 */
import { messageTable, QUIET } from "../message-row.ts";

/** Scancodes of one key event, one after another; the longest real one (Pause) has six bytes. */
const SCANCODE_BYTES_MAX = 64;

export const INPUTS_SERVER = messageTable({
  INPUTS_INIT: [101, 2],
  INPUTS_KEY_MODIFIERS: [102, 2],
  INPUTS_MOUSE_MOTION_ACK: [111, 0, 0, QUIET],
});

export const INPUTS_CLIENT = messageTable({
  INPUTS_KEY_DOWN: [101, 4],
  INPUTS_KEY_UP: [102, 4],
  INPUTS_KEY_MODIFIERS: [103, 2],
  INPUTS_KEY_SCANCODE: [104, 0, SCANCODE_BYTES_MAX],
  // Ten bytes by spice.proto; spice-html5 sends the eleven of a position, and servers take them.
  INPUTS_MOUSE_MOTION: [111, 10, 11],
  INPUTS_MOUSE_POSITION: [112, 11],
  INPUTS_MOUSE_PRESS: [113, 3],
  INPUTS_MOUSE_RELEASE: [114, 3],
});
