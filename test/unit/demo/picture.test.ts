/** The test card's picture obeys the boot sector's rule, and says truly what changed. */
import { describe, expect, it } from "vitest";
import { IDLE_COLOUR, keyColour } from "../../../worker/dev/demo/boot-sector.ts";
import { Picture, WHOLE } from "../../../worker/dev/demo/test-card/picture.ts";

describe("test card's picture", () => {
  it("shows bars, an idle panel and a frame before the first key", () => {
    const picture = new Picture();
    const bars = [40, 120, 200, 280, 360, 440, 520, 600].map((x) => picture.pixel(x, 50));
    expect(new Set(bars).size).toBe(8);
    expect(picture.pixel(300, 200)).toBe(IDLE_COLOUR);
    for (const [x, y] of [
      [0, 0],
      [639, 0],
      [0, 479],
      [639, 479],
      [0, 200],
      [320, 479],
    ] as const) {
      expect(picture.pixel(x, y)).toBe(0xffffff);
    }
  });

  it("shows each key in its colour and counts presses modulo 256", () => {
    const picture = new Picture();
    for (let count = 1; count <= 300; count += 1) {
      picture.press(0x1e);
      expect(picture.pixel(300, 200)).toBe(keyColour(0x1e, count));
    }
  });

  it("draws different digits for each scancode", () => {
    const digits = Array.from({ length: 16 }, (_unused, scancode) => {
      const picture = new Picture();
      picture.press(scancode);
      const box = { left: 100, top: 396, right: 148, bottom: 468 };
      return Buffer.from(picture.copy(box)).toString("latin1");
    });
    expect(new Set(digits).size).toBe(16);
  });

  it("names a part that holds every pixel that a key has changed", () => {
    const picture = new Picture();
    const before = picture.copy(WHOLE);
    const part = picture.press(0x30);
    const after = picture.copy(WHOLE);
    const outside: number[] = [];
    for (let index = 0; index < before.length; index += 4) {
      const [x, y] = [(index / 4) % picture.width, Math.floor(index / 4 / picture.width)];
      const isInside = x >= part.left && x < part.right && y >= part.top && y < part.bottom;
      if (!isInside && before[index] !== after[index]) {
        outside.push(index);
      }
    }
    expect(outside).toEqual([]);
  });

  it("copies a part as blue, green, red and zero, row by row", () => {
    const picture = new Picture();
    const bytes = picture.copy({ left: 90, top: 95, right: 92, bottom: 97 });
    const yellow = [0x00, 0xbf, 0xbf, 0x00];
    const idle = [0x40, 0x30, 0x20, 0x00];
    expect(Array.from(bytes)).toEqual([...yellow, ...yellow, ...idle, ...idle]);
  });
});
