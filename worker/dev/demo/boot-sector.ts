/**
 * The demo guest's 512 bytes, assembled from boot-sector.asm (which says what it does), so that a
 * machine without an assembler can start it. A unit test assembles the source and compares.
 */

/** The colour 00RRGGBB of the whole screen before the first key. */
export const IDLE_COLOUR = 0x203040;

/** The guest's screen in pixels. */
export const SCREEN = { width: 640, height: 480 } as const;

/** A new copy of the boot sector: the content of a raw floppy image. */
export function bootSector(): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(BOOT_SECTOR_BASE64.join(""), "base64"));
}

/**
 * The colour 00RRGGBB that the screen has after a key press.
 * @param scancode the key's set-1 make code, 0x01..0x7f
 * @param pressCount presses since the start, this one included
 */
export function keyColour(scancode: number, pressCount: number): number {
  return ((scancode & 0x7f) << 16) | ((pressCount & 0xff) << 8) | (~pressCount & 0xff);
}

const BOOT_SECTOR_BASE64 = [
  "+vwxwI7YjsCO0LwAfL8AEGbHBVZCRTK4AE/NEIP4T3VlD7Q2DhBkiwyDxgKD+f90Vb8AErgBT1HNEFmD+E915vYG",
  "ABKAdN+BPhISgAJ114E+FBLgAXXPgD4ZEiB1yInLgcsAQLgCT80Qg/hPdRjkkgwC5pIPARYYfQ8gwAwBDyLA6o58",
  "CAC4WA7NEPTr/Wa4EACO2I7AjtC8AHwAAIsdKBIAAA+3LRASAAAx9r9IIAAAuNp8CACruACOAACrDwEdNn0AALCu",
  "5mSw/eYhuEAwIADoJwAAAPv06/1QUuRgqIB1FEYPtsDB4BCJ8ojU9tKI0OgHAAAAsCDmIFpYz1FXid+54AEAAFFX",
  "uYACAADzq18B71ni8V9ZwxcAHn0AAAAAAAAAAAAA//8AAACazwD//wAAAJLPAH8AACAAAAAAAAAAAAAAAAAAAAAA",
  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAVao=",
];
