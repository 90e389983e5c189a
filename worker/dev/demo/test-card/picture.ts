/**
 * The test card's picture: colour bars on top, a panel that shows the last key as a colour (the same
 * rule as the boot sector), below it the key's scancode and the number of presses in digits of seven
 * segments, and a white frame around all. It draws into its own pixels; it knows no protocol.
 */
import { IDLE_COLOUR, keyColour, SCREEN } from "../boot-sector.ts";

/** A rectangle of pixels; right and bottom are not part of it. */
export interface Rectangle {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** The pixels of the card and what was pressed so far. */
export class Picture {
  readonly width = SCREEN.width;
  readonly height = SCREEN.height;
  /** 00RRGGBB, row by row from the top. */
  readonly #pixels = new Uint32Array(SCREEN.width * SCREEN.height);
  #pressCount = 0;

  constructor() {
    for (const [index, colour] of BAR_COLOURS.entries()) {
      const barWidth = SCREEN.width / BAR_COLOURS.length;
      const left = index * barWidth;
      this.#fill({ left, top: 0, right: left + barWidth, bottom: PANEL.top }, colour);
    }
    this.#fill(PANEL, IDLE_COLOUR);
    this.#fill(LABEL, LABEL_COLOUR);
    this.#drawFrame();
  }

  /**
   * Paints what a key press changes.
   * @param scancode set-1 make code, 0x01..0x7f
   * @returns the part of the picture that changed
   */
  press(scancode: number): Rectangle {
    this.#pressCount += 1;
    this.#fill(PANEL, keyColour(scancode, this.#pressCount));
    this.#fill(LABEL, LABEL_COLOUR);
    this.#drawNumber(scancode, SCANCODE_LEFT);
    this.#drawNumber(this.#pressCount & 0xff, COUNT_LEFT);
    this.#drawFrame();
    return CHANGING;
  }

  /** The colour 00RRGGBB of one pixel. */
  pixel(x: number, y: number): number {
    return this.#pixels[y * this.width + x] ?? 0;
  }

  /** The pixels of a part, row by row, four bytes each: blue, green, red, 0. */
  copy(part: Rectangle): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array((part.right - part.left) * (part.bottom - part.top) * 4);
    const view = new DataView(bytes.buffer);
    let offset = 0;
    for (let y = part.top; y < part.bottom; y += 1) {
      for (let x = part.left; x < part.right; x += 1) {
        view.setUint32(offset, this.pixel(x, y), true);
        offset += 4;
      }
    }
    return bytes;
  }

  #fill(part: Rectangle, colour: number): void {
    for (let y = part.top; y < part.bottom; y += 1) {
      this.#pixels.fill(colour, y * this.width + part.left, y * this.width + part.right);
    }
  }

  #drawFrame(): void {
    const { width, height } = SCREEN;
    this.#fill({ left: 0, top: 0, right: width, bottom: FRAME_WIDTH }, FRAME_COLOUR);
    this.#fill({ left: 0, top: height - FRAME_WIDTH, right: width, bottom: height }, FRAME_COLOUR);
    this.#fill({ left: 0, top: 0, right: FRAME_WIDTH, bottom: height }, FRAME_COLOUR);
    this.#fill({ left: width - FRAME_WIDTH, top: 0, right: width, bottom: height }, FRAME_COLOUR);
  }

  /** Draws a byte as two hexadecimal digits. */
  #drawNumber(byte: number, left: number): void {
    this.#drawDigit(byte >> 4, left);
    this.#drawDigit(byte & 0x0f, left + DIGIT_PITCH);
  }

  #drawDigit(digit: number, left: number): void {
    const lit = DIGIT_SEGMENTS[digit] ?? "";
    for (const [name, segment] of Object.entries(SEGMENTS)) {
      const part = {
        left: left + segment.left,
        top: LABEL.top + DIGIT_MARGIN + segment.top,
        right: left + segment.right,
        bottom: LABEL.top + DIGIT_MARGIN + segment.bottom,
      };
      this.#fill(part, lit.includes(name) ? LIT_COLOUR : UNLIT_COLOUR);
    }
  }
}

/** The whole picture. */
export const WHOLE: Rectangle = { left: 0, top: 0, right: SCREEN.width, bottom: SCREEN.height };

const PANEL: Rectangle = { left: 0, top: 96, right: SCREEN.width, bottom: 384 };
const LABEL: Rectangle = { left: 0, top: 384, right: SCREEN.width, bottom: SCREEN.height };
const CHANGING: Rectangle = { ...PANEL, bottom: LABEL.bottom };

/** White, yellow, cyan, green, magenta, red, blue, black at 75 %, as on television. */
const BAR_COLOURS = [
  0xbfbfbf, 0xbfbf00, 0x00bfbf, 0x00bf00, 0xbf00bf, 0xbf0000, 0x0000bf, 0x000000,
] as const;
const FRAME_COLOUR = 0xffffff;
const FRAME_WIDTH = 2;
const LABEL_COLOUR = 0x101010;
const LIT_COLOUR = 0xff8000;
const UNLIT_COLOUR = 0x281800;

const SCANCODE_LEFT = 40;
const COUNT_LEFT = 480;
const DIGIT_PITCH = 60;
const DIGIT_MARGIN = 12;
/** The seven segments of a digit 48 wide and 72 high, named as usual from the top clockwise. */
const SEGMENTS: Readonly<Record<string, Rectangle>> = {
  a: { left: 8, top: 0, right: 40, bottom: 8 },
  b: { left: 40, top: 8, right: 48, bottom: 32 },
  c: { left: 40, top: 40, right: 48, bottom: 64 },
  d: { left: 8, top: 64, right: 40, bottom: 72 },
  e: { left: 0, top: 40, right: 8, bottom: 64 },
  f: { left: 0, top: 8, right: 8, bottom: 32 },
  g: { left: 8, top: 32, right: 40, bottom: 40 },
};
/** Which segments are lit for the digits 0..9 and A, b, C, d, E, F. */
const DIGIT_SEGMENTS = [
  ..."abcdef bc abdeg abcdg bcfg acdfg acdefg abc abcdefg abcdfg".split(" "),
  ..."abcefg cdefg adef bcdeg adefg aefg".split(" "),
];
