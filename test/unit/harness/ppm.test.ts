/** The reader of pictures must not find pictures equal that are not. */
import { describe, expect, it } from "vitest";
import { comparePictures, parsePpm, pixelAt } from "../../harness/ppm.ts";

describe("PPM", () => {
  it("is read with and without a comment", () => {
    for (const head of ["P6\n2 1\n255\n", "P6 2 1 255\n", "P6\n# made by a tool\n2 1\n255\n"]) {
      const picture = ppm(head, [1, 2, 3, 0x0a, 0x0b, 0x0c]);
      expect([picture.width, picture.height]).toEqual([2, 1]);
      expect([pixelAt(picture, 0, 0), pixelAt(picture, 1, 0)]).toEqual([0x010203, 0x0a0b0c]);
    }
  });

  it("keeps pixels that look like white space", () => {
    expect(pixelAt(ppm("P6\n1 1\n255\n", [0x20, 0x0a, 0x09]), 0, 0)).toBe(0x200a09);
  });

  it.each(["P5\n1 1\n255\n", "P6\n1 1\n65535\n", "", "P6\n1"])("refuses the head %j", (head) => {
    expect(() => ppm(head, [1, 2, 3])).toThrow("not a binary PPM");
  });

  it("refuses a file that is cut", () => {
    expect(() => ppm("P6\n2 2\n255\n", [1, 2, 3])).toThrow("ends after");
  });

  it("has no pixel outside of the picture", () => {
    const picture = ppm("P6\n1 1\n255\n", [1, 2, 3]);
    expect(() => pixelAt(picture, 1, 0)).toThrow(RangeError);
    expect(() => pixelAt(picture, 0, -1)).toThrow(RangeError);
  });

  it("differs by each pixel that differs, and by size", () => {
    const left = ppm("P6\n2 1\n255\n", [1, 2, 3, 4, 5, 6]);
    const right = ppm("P6\n2 1\n255\n", [1, 2, 3, 4, 5, 7]);
    expect(comparePictures(left, left)).toEqual({ count: 0, description: "equal" });
    expect(comparePictures(left, right)).toEqual({ count: 1, description: "at 1,0: 40506, 40507" });
    const narrow = ppm("P6\n1 1\n255\n", [1, 2, 3]);
    expect(comparePictures(left, narrow).count).toBe(2);
  });
});

function ppm(head: string, pixels: readonly number[]): ReturnType<typeof parsePpm> {
  return parsePpm(Uint8Array.from([...Buffer.from(head, "latin1"), ...pixels]));
}
