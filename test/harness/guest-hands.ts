/**
 * What a guest's driver would do, done from outside: reads and writes the machine's I/O ports through
 * QEMU's monitor. So a device carries bytes in both directions though no operating system runs.
 */
import { eventually } from "./deadline.ts";
import type { TestQemu } from "./qemu.ts";

/** The widths of an access: 8, 16 or 32 bits, by the letters that the monitor has for them. */
export type AccessWidth = "b" | "h" | "w";

/** The I/O ports of one machine. */
export class IoPorts {
  readonly #qemu: TestQemu;

  constructor(qemu: TestQemu) {
    this.#qemu = qemu;
  }

  async read(port: number, width: AccessWidth = "b"): Promise<number> {
    const answer = await this.monitor(`i /${width} ${port}`);
    const value = /=\s*(0x[0-9a-f]+)/i.exec(answer)?.[1];
    if (value === undefined) {
      throw new Error(`reading port ${port}: ${answer}`);
    }
    return Number(value);
  }

  async write(port: number, value: number, width: AccessWidth = "b"): Promise<void> {
    await this.monitor(`o /${width} ${port} ${value}`);
  }

  /** Runs a command of the human monitor: QMP has none for I/O ports. */
  async monitor(line: string): Promise<string> {
    return String(await this.#qemu.execute("human-monitor-command", { "command-line": line }));
  }
}

/** A 16550 serial line, whose other end is a SPICE channel. */
export class SerialLine {
  readonly #io: IoPorts;
  readonly #base: number;

  /** @param index 0 to 3: COM1 to COM4 */
  constructor(io: IoPorts, index: 0 | 1 | 2 | 3) {
    this.#io = io;
    this.#base = SERIAL_BASES[index];
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (const byte of bytes) {
      await this.#io.write(this.#base, byte);
    }
  }

  /** Reads exactly `count` bytes, as they come. */
  async read(count: number): Promise<Buffer> {
    return await this.readUntil((bytes) => bytes.length === count, `${count} bytes`);
  }

  /** Reads until `isEnough`. @param what is awaited, for the error */
  async readUntil(isEnough: (bytes: Buffer) => boolean, what: string): Promise<Buffer> {
    const bytes: number[] = [];
    while (!isEnough(Buffer.from(bytes))) {
      await eventually(`the serial line brings ${what}, after ${bytes.length} bytes`, async () => {
        const status = await this.#io.read(this.#base + LINE_STATUS);
        return (status & DATA_READY) === 0 ? null : true;
      });
      bytes.push(await this.#io.read(this.#base));
    }
    return Buffer.from(bytes);
  }
}

const SERIAL_BASES = [0x3f8, 0x2f8, 0x3e8, 0x2e8] as const;
/** Registers of the 16550, as offsets from its base. */
const LINE_STATUS = 5;
const DATA_READY = 1;
