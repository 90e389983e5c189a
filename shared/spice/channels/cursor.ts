/**
 * The cursor channel: the pointer's shape and place (numbers in enums.h, SPICE_MSG_CURSOR_*; sizes
 * from spice.proto, CursorChannel). Clients send base messages only.
 */
import { messageTable, MIB, QUIET } from "../message-row.ts";

/** A pointer's picture: 16 MiB is 2048x2048 in 32 bits, far beyond any real pointer. */
const CURSOR_BYTES_MAX = 16 * MIB;

export const CURSOR_SERVER = messageTable({
  // Position, trail, visible, flags; a header and pixels only when there is a shape.
  CURSOR_INIT: [101, 11, CURSOR_BYTES_MAX],
  CURSOR_RESET: [102, 0],
  CURSOR_SET: [103, 7, CURSOR_BYTES_MAX],
  CURSOR_MOVE: [104, 4],
  CURSOR_HIDE: [105, 0],
  CURSOR_TRAIL: [106, 4],
  CURSOR_INVAL_ONE: [107, 8, 8, QUIET],
  CURSOR_INVAL_ALL: [108, 0, 0, QUIET],
});
