/**
 * The display channel: surfaces, draws, streams (numbers in enums.h, SPICE_MSG_DISPLAY_* and
 * SPICE_MSGC_DISPLAY_*; the fewest bytes are the fixed parts in spice.proto, DisplayChannel, with
 * four bytes for each pointer).
 */
import { type EntryLayout, KIB, messageTable, MIB, QUIET } from "../message-row.ts";
import { WAIT_LIST_BYTES_MAX } from "./base.ts";

/**
 * A draw with its picture. A raw 3840x2160 frame has 33 MB and an 8K one 133 MB; bodies go by
 * without being held, so the bound guards against nonsense, not memory.
 */
const DRAW_BYTES_MAX = 256 * MIB;

/** A list of clip rectangles of 16 bytes: a million of them. */
const CLIPPED_BYTES_MAX = 16 * MIB;

/** A u16 count, then a type byte and a u64 id each. */
const RESOURCE_LIST: EntryLayout = { countBytes: 2, entryBytes: 9 };
const RESOURCE_LIST_BYTES_MAX = 2 + 65_535 * RESOURCE_LIST.entryBytes;

/** Surface u32, box of four i32, clip type u8: what each draw begins with. */
const DRAW_BASE_BYTES = 21;
/** Flags u8, position of two i32, pointer to a bitmap. */
const MASK_BYTES = 13;
/** Pointer to an image and the area of it to take. */
const SOURCE_BYTES = 20;

export const DISPLAY_SERVER = messageTable({
  DISPLAY_MODE: [101, 12],
  DISPLAY_MARK: [102, 0],
  DISPLAY_RESET: [103, 0],
  DISPLAY_COPY_BITS: [104, DRAW_BASE_BYTES + 8, CLIPPED_BYTES_MAX],
  // Caches are forgotten so; what is shown stays.
  DISPLAY_INVAL_LIST: [105, 2, RESOURCE_LIST_BYTES_MAX, { quiet: true, entries: RESOURCE_LIST }],
  DISPLAY_INVAL_ALL_PIXMAPS: [106, 1, WAIT_LIST_BYTES_MAX, QUIET],
  DISPLAY_INVAL_PALETTE: [107, 8, 8, QUIET],
  DISPLAY_INVAL_ALL_PALETTES: [108, 0, 0, QUIET],
  DISPLAY_STREAM_CREATE: [122, 51, CLIPPED_BYTES_MAX],
  DISPLAY_STREAM_DATA: [123, 12, DRAW_BYTES_MAX],
  DISPLAY_STREAM_CLIP: [124, 5, CLIPPED_BYTES_MAX],
  DISPLAY_STREAM_DESTROY: [125, 4],
  DISPLAY_STREAM_DESTROY_ALL: [126, 0],
  DISPLAY_DRAW_FILL: [302, DRAW_BASE_BYTES + 1 + 2 + MASK_BYTES, DRAW_BYTES_MAX],
  DISPLAY_DRAW_OPAQUE: [303, DRAW_BASE_BYTES + SOURCE_BYTES + 4 + MASK_BYTES, DRAW_BYTES_MAX],
  DISPLAY_DRAW_COPY: [304, DRAW_BASE_BYTES + SOURCE_BYTES + 3 + MASK_BYTES, DRAW_BYTES_MAX],
  DISPLAY_DRAW_BLEND: [305, DRAW_BASE_BYTES + SOURCE_BYTES + 3 + MASK_BYTES, DRAW_BYTES_MAX],
  DISPLAY_DRAW_BLACKNESS: [306, DRAW_BASE_BYTES + MASK_BYTES, DRAW_BYTES_MAX],
  DISPLAY_DRAW_WHITENESS: [307, DRAW_BASE_BYTES + MASK_BYTES, DRAW_BYTES_MAX],
  DISPLAY_DRAW_INVERS: [308, DRAW_BASE_BYTES + MASK_BYTES, DRAW_BYTES_MAX],
  DISPLAY_DRAW_ROP3: [309, DRAW_BASE_BYTES + SOURCE_BYTES + 3 + MASK_BYTES, DRAW_BYTES_MAX],
  DISPLAY_DRAW_STROKE: [310, DRAW_BASE_BYTES + 10, DRAW_BYTES_MAX],
  DISPLAY_DRAW_TEXT: [311, DRAW_BASE_BYTES + 26, DRAW_BYTES_MAX],
  DISPLAY_DRAW_TRANSPARENT: [312, DRAW_BASE_BYTES + SOURCE_BYTES + 8, DRAW_BYTES_MAX],
  DISPLAY_DRAW_ALPHA_BLEND: [313, DRAW_BASE_BYTES + 2 + SOURCE_BYTES, DRAW_BYTES_MAX],
  DISPLAY_SURFACE_CREATE: [314, 20],
  DISPLAY_SURFACE_DESTROY: [315, 4],
  DISPLAY_STREAM_DATA_SIZED: [316, 36, DRAW_BYTES_MAX],
  // Two u16 counts, then 28 bytes a monitor.
  DISPLAY_MONITORS_CONFIG: [317, 4, 4 + 28 * 65_535],
  DISPLAY_DRAW_COMPOSITE: [318, DRAW_BASE_BYTES + 16, DRAW_BYTES_MAX],
  DISPLAY_STREAM_ACTIVATE_REPORT: [319, 16, 16, QUIET],
  // The buffer itself is a file descriptor that cannot cross TCP; five u32 describe it, and the
  // layout of the descriptor's place is up to the marshaller.
  DISPLAY_GL_SCANOUT_UNIX: [320, 20, 64],
  DISPLAY_GL_DRAW: [321, 16],
  // spice.proto leaves its layout open, and no program sends it: a small bound.
  DISPLAY_QUALITY_INDICATOR: [322, 0, 4 * KIB, QUIET],
});

export const DISPLAY_CLIENT = messageTable({
  DISPLAY_INIT: [101, 14],
  DISPLAY_STREAM_REPORT: [102, 32, 32, QUIET],
  DISPLAY_PREFERRED_COMPRESSION: [103, 1],
  DISPLAY_GL_DRAW_DONE: [104, 0, 0, QUIET],
  // A count byte, then a byte a codec.
  DISPLAY_PREFERRED_VIDEO_CODEC_TYPE: [105, 1, 1 + 255],
});
