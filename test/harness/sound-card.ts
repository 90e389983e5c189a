/**
 * Plays and records through an AC97 card without a driver: its registers are written through the
 * monitor, its descriptors lie in the guest's memory since the start. What the client plays and
 * what its microphone brings are so bytes of the guest's memory.
 */
import { writeFile } from "node:fs/promises";
import type { IoPorts } from "./guest-hands.ts";

/** Writes the descriptors and the sound to play, and gives QEMU's arguments for the card. */
export async function soundCardArguments(
  audiodev: string,
  file: (name: string) => string,
): Promise<string[]> {
  const [descriptors, tone] = [file("sound-descriptors.bin"), file("sound-tone.bin")];
  await writeFile(descriptors, Buffer.concat([descriptorList(TONE), descriptorList(RECORDED)]));
  await writeFile(tone, squareWave());
  return [
    ...["-device", `AC97,id=ac97,audiodev=${audiodev}`],
    ...["-device", `loader,file=${descriptors},addr=${DESCRIPTORS},force-raw=on`],
    ...["-device", `loader,file=${tone},addr=${TONE},force-raw=on`],
  ];
}

/** The card of a machine that was started with `soundCardArguments`. */
export class SoundCard {
  readonly #io: IoPorts;
  #bus = 0;

  constructor(io: IoPorts) {
    this.#io = io;
  }

  /** Lets the card act. The firmware must have run: it says where the registers are. */
  async enable(): Promise<void> {
    const map = await this.#io.monitor("info pci");
    const found = CARD_IN_MAP.exec(map)?.groups;
    if (found === undefined) {
      throw new Error(`there is no AC97 card:\n${map}`);
    }
    const mixer = Number(found["mixer"]);
    this.#bus = Number(found["bus"]);
    const command = CONFIGURATION_ENABLE + (Number(found["device"]) << 11) + COMMAND_REGISTER;
    await this.#io.write(CONFIGURATION_ADDRESS, command, "w");
    await this.#io.write(CONFIGURATION_DATA, IO_MEMORY_AND_MASTER, "h");
    for (const volume of [MASTER_VOLUME, PCM_OUT_VOLUME, RECORD_GAIN]) {
      await this.#io.write(mixer + volume, LOUDEST, "h");
    }
  }

  /** Plays a tone for 20 s. */
  async play(): Promise<void> {
    await this.#run(PCM_OUT, DESCRIPTORS);
  }

  /** Records into the guest's memory, 20 s at most. */
  async record(): Promise<void> {
    await this.#run(PCM_IN, DESCRIPTORS + DESCRIPTOR_LIST_BYTES);
  }

  /** Whether anything but silence was recorded. */
  async hasRecorded(): Promise<boolean> {
    const memory = await this.#io.monitor(`xp /512xb ${RECORDED}`);
    return /0x(?!00)[0-9a-f]{2}\b/.test(memory.replaceAll(/^[0-9a-f]+:/gm, ""));
  }

  async #run(engine: number, descriptors: number): Promise<void> {
    await this.#io.write(this.#bus + engine, descriptors, "w");
    await this.#io.write(this.#bus + engine + LAST_VALID_INDEX, DESCRIPTOR_COUNT - 1);
    await this.#io.write(this.#bus + engine + CONTROL, RUN);
  }
}

/** Buffer descriptors (AC97 §1.2.2.1): address, then samples; all of them of one place. */
function descriptorList(address: number): Buffer {
  const list = Buffer.alloc(DESCRIPTOR_LIST_BYTES);
  for (let index = 0; index < DESCRIPTOR_COUNT; index += 1) {
    list.writeUInt32LE(address, index * 8);
    list.writeUInt32LE(SAMPLES_A_DESCRIPTOR, index * 8 + 4);
  }
  return list;
}

/** About 430 Hz at 48 kHz, loud enough for every codec. */
function squareWave(): Buffer {
  const wave = Buffer.alloc(SAMPLES_A_DESCRIPTOR * 2);
  for (let sample = 0; sample < SAMPLES_A_DESCRIPTOR; sample += 1) {
    wave.writeInt16LE((sample >> 1) % 112 < 56 ? AMPLITUDE : -AMPLITUDE, sample * 2);
  }
  return wave;
}

const CARD_IN_MAP =
  /device\s+(?<device>\d+), function 0:\s+Audio controller: PCI device 8086:2415[^]*?BAR0: I\/O at (?<mixer>0x[0-9a-f]+)[^]*?BAR1: I\/O at (?<bus>0x[0-9a-f]+)/;
/** The PCI configuration mechanism, and a device's command register. */
const CONFIGURATION_ADDRESS = 0xcf8;
const CONFIGURATION_DATA = 0xcfc;
const CONFIGURATION_ENABLE = 0x8000_0000;
const COMMAND_REGISTER = 0x04;
const IO_MEMORY_AND_MASTER = 0x07;
/** The card's mixer registers. */
const MASTER_VOLUME = 0x02;
const PCM_OUT_VOLUME = 0x18;
const RECORD_GAIN = 0x1c;
const LOUDEST = 0;
/** Its bus master: one engine at each offset, with these registers. */
const PCM_IN = 0x00;
const PCM_OUT = 0x10;
const LAST_VALID_INDEX = 0x05;
const CONTROL = 0x0b;
const RUN = 1;
const DESCRIPTOR_COUNT = 32;
const DESCRIPTOR_LIST_BYTES = DESCRIPTOR_COUNT * 8;
/** The most that a descriptor says, for both sides of stereo together. */
const SAMPLES_A_DESCRIPTOR = 0xfffe;
const AMPLITUDE = 8_000;
/** Places in the guest's memory that nobody else uses: it has 64 MiB. */
const DESCRIPTORS = 0x20_0000;
const TONE = 0x30_0000;
const RECORDED = 0x40_0000;
