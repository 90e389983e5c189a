/**
 * The bodies of the messages that the test card sends. Layouts are those of spice.proto; "pointers"
 * are offsets from the body's start.
 */
import type { Bytes } from "#shared/base/bytes.ts";
import { ByteWriter } from "#shared/spice/byte-writer.ts";
import { CHANNEL_TYPE, type ChannelName } from "#shared/spice/channel-names.ts";
import { MAIN_INIT_BYTES } from "#shared/spice/main-init.ts";
import type { Rectangle } from "./picture.ts";

/** MainChannel.init. @param sessionId what the other channels present; not 0 */
export function mainInit(sessionId: number): Bytes {
  return new ByteWriter(MAIN_INIT_BYTES)
    .u32(sessionId)
    .u32(1) // display channels
    .u32(MOUSE_MODE_SERVER | MOUSE_MODE_CLIENT)
    .u32(MOUSE_MODE_CLIENT)
    .u32(0) // no agent
    .u32(0) // no tokens for one
    .u32(0) // multimedia time
    .u32(0) // no hint about RAM
    .finish();
}

/** MainChannel.channels_list. */
export function channelsList(names: readonly ChannelName[]): Bytes {
  const writer = new ByteWriter(4 + 2 * names.length).u32(names.length);
  for (const name of names) {
    writer.u8(CHANNEL_TYPE[name]).u8(0);
  }
  return writer.finish();
}

/**
 * MainChannel.mouse_mode. In the client's mode the viewer does not capture the pointer, which suits
 * a card that has no use for it.
 */
export function mouseMode(): Bytes {
  return new ByteWriter(4)
    .u16(MOUSE_MODE_SERVER | MOUSE_MODE_CLIENT)
    .u16(MOUSE_MODE_CLIENT)
    .finish();
}

/** InputsChannel.init and key_modifiers: no lock is on. */
export function keyModifiers(): Bytes {
  return new ByteWriter(2).u16(0).finish();
}

/** CursorChannel.init: no shape, so the viewer shows its own pointer. */
export function cursorInit(): Bytes {
  return new ByteWriter(11).u16(0).u16(0).u16(0).u16(0).u8(1).u16(CURSOR_FLAG_NONE).finish();
}

/** DisplayChannel.surface_create for the primary surface. */
export function surfaceCreate(width: number, height: number): Bytes {
  return new ByteWriter(20)
    .u32(PRIMARY_SURFACE)
    .u32(width)
    .u32(height)
    .u32(SURFACE_FORMAT_32_XRGB)
    .u32(SURFACE_FLAG_PRIMARY)
    .finish();
}

/** DisplayChannel.monitors_config: one monitor that shows the whole surface. */
export function monitorsConfig(width: number, height: number): Bytes {
  return new ByteWriter(4 + 28)
    .u16(1) // monitors that are on
    .u16(1) // monitors that may be
    .u32(0) // id
    .u32(PRIMARY_SURFACE)
    .u32(width)
    .u32(height)
    .u32(0) // x
    .u32(0) // y
    .u32(0) // flags
    .finish();
}

/**
 * DisplayChannel.draw_copy of an uncompressed 32-bit bitmap onto the primary surface.
 * @param box where on the surface
 * @param pixels the box's pixels, as Picture.copy gives them
 */
export function drawCopy(box: Rectangle, pixels: Uint8Array): Bytes {
  const width = box.right - box.left;
  const height = box.bottom - box.top;
  const writer = new ByteWriter(DRAW_COPY_BYTES + IMAGE_HEAD_BYTES + pixels.length);
  writer.u32(PRIMARY_SURFACE);
  writeRectangle(writer, box);
  writer.u8(CLIP_NONE);
  writer.u32(DRAW_COPY_BYTES); // the image follows right after
  writeRectangle(writer, { left: 0, top: 0, right: width, bottom: height });
  writer.u16(ROP_PUT).u8(SCALE_INTERPOLATE);
  writer.u8(0).u32(0).u32(0).u32(0); // no mask: flags, position, bitmap
  writer.u64(IMAGE_ID).u8(IMAGE_TYPE_BITMAP).u8(0).u32(width).u32(height);
  writer.u8(BITMAP_FORMAT_32BIT).u8(BITMAP_FLAG_TOP_DOWN).u32(width).u32(height);
  writer.u32(width * 4).u32(0); // bytes a row; no palette
  return writer.bytes(pixels).finish();
}

function writeRectangle(writer: ByteWriter, { top, left, bottom, right }: Rectangle): void {
  writer.u32(top).u32(left).u32(bottom).u32(right);
}

/** enums.h, SPICE_MOUSE_MODE_*. */
const MOUSE_MODE_SERVER = 1;
const MOUSE_MODE_CLIENT = 2;
/** enums.h, SPICE_CURSOR_FLAGS_NONE. */
const CURSOR_FLAG_NONE = 1;
const PRIMARY_SURFACE = 0;
/** enums.h, SPICE_SURFACE_FMT_32_xRGB and SPICE_SURFACE_FLAGS_PRIMARY. */
const SURFACE_FORMAT_32_XRGB = 32;
const SURFACE_FLAG_PRIMARY = 1;
/** enums.h, SPICE_CLIP_TYPE_NONE, SPICE_ROPD_OP_PUT, SPICE_IMAGE_SCALE_MODE_INTERPOLATE. */
const CLIP_NONE = 0;
const ROP_PUT = 8;
const SCALE_INTERPOLATE = 0;
/** enums.h, SPICE_IMAGE_TYPE_BITMAP, SPICE_BITMAP_FMT_32BIT, SPICE_BITMAP_FLAGS_TOP_DOWN. */
const IMAGE_TYPE_BITMAP = 0;
const BITMAP_FORMAT_32BIT = 8;
const BITMAP_FLAG_TOP_DOWN = 4;
/** Only a cache would care, and no image asks to be cached. */
const IMAGE_ID = 1n;
/** Surface, box, clip; pointer and area of the source; rop, scale; mask. */
const DRAW_COPY_BYTES = 4 + 16 + 1 + 4 + 16 + 2 + 1 + 13;
/** Image descriptor (id, type, flags, size), then the bitmap's head. */
const IMAGE_HEAD_BYTES = 18 + 18;
