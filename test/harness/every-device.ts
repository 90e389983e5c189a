/**
 * A machine with every SPICE device that QEMU has, wired so that each channel can carry bytes both
 * ways without an operating system: serial lines instead of virtio ports behind the character
 * channels, a sound card whose registers the test writes, and a USB port that the firmware boots
 * from.
 */
import { IoPorts, SerialLine } from "./guest-hands.ts";
import { startTestQemu, type QemuTestOptions, type TestQemu } from "./qemu.ts";
import { SoundCard, soundCardArguments } from "./sound-card.ts";
import { makeTempFolder } from "./temp-folder.ts";

/** The channels that a client with every feature opens, as spice-gtk names them. */
export const EVERY_CHANNEL_NAME = [
  "main:0",
  "display:0",
  "display:1",
  "display:2",
  "inputs:0",
  "cursor:0",
  "cursor:1",
  "cursor:2",
  "playback:0",
  "record:0",
  "port:0",
  "port:1",
  "webdav:0",
  "usbredir:0",
  "usbredir:1",
  "smartcard:0",
] as const;

/** The port channel with QEMU's own monitor behind it, and the one with a serial line. */
export const MONITOR_PORT_NAME = "org.qemu.monitor.qmp.0";
export const SERIAL_PORT_NAME = "com.example.port";
/** QEMU's id of the second graphics card with a picture of its own: the client's display:2. */
export const SECOND_SCREEN = "second-screen";

/** A running machine and what its guest's drivers would be. Ends with `await using`. */
export interface EveryDevice extends AsyncDisposable {
  readonly qemu: TestQemu;
  readonly sound: SoundCard;
  readonly agentLine: SerialLine;
  readonly webdavLine: SerialLine;
  readonly portLine: SerialLine;
}

/** Starts the machine; its guest shows its picture when this resolves. */
export async function startEveryDevice(options: QemuTestOptions = {}): Promise<EveryDevice> {
  const folder = await makeTempFolder();
  const extraArguments = [
    ...DEVICES,
    ...(await soundCardArguments("sound", (name) => folder.file(name))),
    ...(options.extraArguments ?? []),
  ];
  const qemu = await startTestQemu({ ...options, extraArguments });
  const io = new IoPorts(qemu);
  const sound = new SoundCard(io);
  await qemu.waitForGuest();
  await sound.enable();
  return {
    qemu,
    sound,
    agentLine: new SerialLine(io, 0),
    webdavLine: new SerialLine(io, 1),
    portLine: new SerialLine(io, 2),
    [Symbol.asyncDispose]: async () => {
      await qemu[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const DEVICES: readonly string[] = [
  ["-device", "qxl", "-device", `virtio-gpu-pci,id=${SECOND_SCREEN}`],
  ["-audiodev", "spice,id=sound", "-machine", "pcspk-audiodev=sound"],
  ["-device", "intel-hda", "-device", "hda-duplex,audiodev=sound"],
  ["-chardev", "spicevmc,id=agent,name=vdagent"],
  ["-device", "isa-serial,index=0,chardev=agent"],
  ["-chardev", "spiceport,id=webdav,name=org.spice-space.webdav.0"],
  ["-device", "isa-serial,index=1,chardev=webdav"],
  ["-chardev", `spiceport,id=port,name=${SERIAL_PORT_NAME}`],
  ["-device", "isa-serial,index=2,chardev=port"],
  ["-chardev", `spiceport,id=monitor,name=${MONITOR_PORT_NAME}`],
  ["-mon", "chardev=monitor,mode=control"],
  ["-device", "qemu-xhci,id=usb", "-device", "usb-tablet,bus=usb.0"],
  ["-chardev", "spicevmc,id=usb0,name=usbredir"],
  ["-device", "usb-redir,chardev=usb0,bus=usb.0,bootindex=0"],
  ["-chardev", "spicevmc,id=usb1,name=usbredir"],
  ["-device", "usb-redir,chardev=usb1,bus=usb.0,bootindex=1"],
  ["-device", "usb-ccid,id=ccid", "-chardev", "spicevmc,id=card,name=smartcard"],
  ["-device", "ccid-card-passthru,chardev=card,bus=ccid.0"],
].flat();
