/** Pictures as binary PPM (P6): what QEMU's screendump, spicy-screenshot and ImageMagick write. */
import { readFile } from "node:fs/promises";

/** A picture; three bytes a pixel: red, green, blue. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly bytes: Uint8Array;
}

/** How two pictures differ. */
export interface PictureDifference {
  /** Pixels that differ, or all of the larger picture when the sizes differ. */
  readonly count: number;
  /** One sentence, with the first place that differs. */
  readonly description: string;
}

/** Reads a PPM file. @throws Error when it is none */
export async function readPpm(file: string): Promise<Picture> {
  return parsePpm(await readFile(file));
}

/** Parses a binary PPM with 8 bits a colour. @throws Error when the bytes are none */
export function parsePpm(bytes: Uint8Array): Picture {
  const head = new TextDecoder("latin1").decode(bytes.subarray(0, HEAD_LENGTH_MAX));
  const match = /^P6\s+(?:#[^\n]*\s+)*(\d+)\s+(\d+)\s+255\s/.exec(head);
  if (match === null) {
    throw new Error("not a binary PPM with 8 bits a colour");
  }
  const width = Number(match[1]);
  const height = Number(match[2]);
  const start = match[0].length;
  const sizeBytes = width * height * 3;
  if (bytes.length < start + sizeBytes) {
    throw new Error(`a PPM of ${width}x${height} ends after ${bytes.length} bytes`);
  }
  return { width, height, bytes: bytes.subarray(start, start + sizeBytes) };
}

/** The colour 0xRRGGBB of one pixel. @throws RangeError outside of the picture */
export function pixelAt(picture: Picture, x: number, y: number): number {
  if (x < 0 || y < 0 || x >= picture.width || y >= picture.height) {
    throw new RangeError(`no pixel ${x},${y} in ${picture.width}x${picture.height}`);
  }
  const offset = (y * picture.width + x) * 3;
  const [red = 0, green = 0, blue = 0] = picture.bytes.subarray(offset, offset + 3);
  return (red << 16) | (green << 8) | blue;
}

/** Compares pixel for pixel. Equal pictures have `count` 0. */
export function comparePictures(left: Picture, right: Picture): PictureDifference {
  if (left.width !== right.width || left.height !== right.height) {
    const count = Math.max(left.width * left.height, right.width * right.height);
    const sizes = `${left.width}x${left.height} and ${right.width}x${right.height}`;
    return { count, description: `the sizes differ: ${sizes}` };
  }
  let count = 0;
  let description = "equal";
  for (let y = 0; y < left.height; y += 1) {
    for (let x = 0; x < left.width; x += 1) {
      const [a, b] = [pixelAt(left, x, y), pixelAt(right, x, y)];
      if (a !== b) {
        description =
          count === 0 ? `at ${x},${y}: ${a.toString(16)}, ${b.toString(16)}` : description;
        count += 1;
      }
    }
  }
  return { count, description };
}

/** Longer than any head that the tools write, comments included. */
const HEAD_LENGTH_MAX = 1024;
