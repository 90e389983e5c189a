/**
 * A QEMU of one test: the boot sector behind SPICE on random loopback ports, and its monitor to look
 * at it from the other side. Several may run at once.
 */
import { readFile } from "node:fs/promises";
import type { Result } from "#shared/base/result.ts";
import { IDLE_COLOUR } from "../../worker/dev/demo/boot-sector.ts";
import { startQemu, type QemuProcess } from "../../worker/dev/demo/qemu-process.ts";
import { eventually } from "./deadline.ts";
import { parsePpm, pixelAt, type Picture } from "./ppm.ts";
import { makeTempFolder, type TempFolder } from "./temp-folder.ts";

/** What to start. By default a plain port that asks for no password. */
export interface QemuTestOptions {
  /** The SPICE password; null or absent lets everybody in. */
  readonly password?: string | null;
  /** A plain port of one's choice; null for none (then give `x509Dir`). */
  readonly port?: number | null;
  /** Serve TLS too, with this folder's certificate (see certificates.ts). */
  readonly x509Dir?: string;
  /** A TLS port of one's choice. */
  readonly tlsPort?: number;
  /** More `-spice` options, such as `tls-channel=main`. */
  readonly spiceOptions?: readonly string[];
  /** More arguments, such as `EVERY_CHANNEL`. */
  readonly extraArguments?: readonly string[];
}

/** What `query-spice` tells of one channel that a client has open. */
export interface QemuSpiceChannel {
  readonly host: string;
  readonly port: string;
  readonly family: string;
  readonly "connection-id": number;
  readonly "channel-type": number;
  readonly "channel-id": number;
  readonly tls: boolean;
}

/** What `query-spice` tells. */
export interface QemuSpiceState {
  readonly enabled: boolean;
  readonly auth: string;
  readonly channels: readonly QemuSpiceChannel[];
}

/** A running QEMU with its monitor. Ends with `await using`. */
export class TestQemu implements AsyncDisposable {
  readonly #process: QemuProcess;
  readonly #folder: TempFolder;

  constructor(process: QemuProcess, folder: TempFolder) {
    this.#process = process;
    this.#folder = folder;
  }

  get pid(): number {
    return this.#process.pid;
  }

  get host(): "127.0.0.1" {
    return this.#process.host;
  }

  /** The plain port. @throws Error when QEMU was started without one */
  get port(): number {
    return present(this.#process.port, "plain port");
  }

  /** The TLS port. @throws Error when QEMU was started without one */
  get tlsPort(): number {
    return present(this.#process.tlsPort, "TLS port");
  }

  /** What QEMU wrote on standard error: libspice-server's log is there. */
  errorOutput(): string {
    return this.#process.errorOutput();
  }

  /** Runs a monitor command. @throws Error with QEMU's sentence when it fails */
  async execute(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    return valueOf(command, await this.#process.qmp.execute(command, args));
  }

  /** The screen as QEMU itself has it; also kept in `file` when given. */
  async screendump(file: string = this.#folder.file("screendump.ppm")): Promise<Picture> {
    await this.execute("screendump", { filename: file });
    return parsePpm(await readFile(file));
  }

  /** The screen of one graphics card, by its device id. */
  async screendumpOf(device: string): Promise<Picture> {
    const filename = this.#folder.file(`${device}.ppm`);
    await this.execute("screendump", { filename, device });
    return parsePpm(await readFile(filename));
  }

  /** Presses and releases a key at the virtual keyboard, by QEMU's name for it ("a", "ret"). */
  async sendKey(name: string): Promise<void> {
    await this.execute("send-key", { keys: [{ type: "qcode", data: name }] });
  }

  /** What SPICE serves, and which channels are open. */
  async querySpice(): Promise<QemuSpiceState> {
    const state = (await this.execute("query-spice")) as Partial<QemuSpiceState>;
    return { enabled: false, auth: "none", channels: [], ...state };
  }

  /** Sets the SPICE password for connections from now on. */
  async setPassword(
    password: string,
    connected: "keep" | "disconnect" | "fail" = "keep",
  ): Promise<void> {
    await this.execute("set_password", { protocol: "spice", password, connected });
  }

  /** Makes the password expire: "now", "never", "+seconds" or seconds since 1970. */
  async expirePassword(time: string): Promise<void> {
    await this.execute("expire_password", { protocol: "spice", time });
  }

  /** Waits until the boot sector has painted the screen (0.5 s after the start). */
  async waitForGuest(): Promise<void> {
    await this.waitForPixel(IDLE_COLOUR);
  }

  /** Waits until the boot sector has left the firmware's text mode for its own picture. */
  async waitForGraphics(): Promise<void> {
    await eventually("the guest has its graphics mode", async () => {
      const screen = await this.screendump();
      const isPainted =
        pixelAt(screen, 0, 0) === pixelAt(screen, screen.width - 1, screen.height - 1);
      return screen.width === 640 && isPainted && pixelAt(screen, 0, 0) !== 0 ? true : null;
    });
  }

  /** Waits until the guest's screen has this colour. QEMU tells of no such event. */
  async waitForPixel(colour: number): Promise<void> {
    await eventually(`the guest's screen has colour ${colour.toString(16)}`, async () => {
      const screen = await this.screendump();
      return pixelAt(screen, screen.width >> 1, screen.height >> 1) === colour ? true : null;
    });
  }

  /** Ends QEMU. Idempotent. */
  async stop(): Promise<void> {
    await this.#process.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** Starts QEMU; it serves SPICE when this resolves. @throws Error with the reason */
export async function startTestQemu(options: QemuTestOptions = {}): Promise<TestQemu> {
  const folder = await makeTempFolder();
  const started = await startQemu({
    runDir: folder.path,
    password: options.password ?? null,
    port: options.port === undefined ? "random" : options.port,
    tls:
      options.x509Dir === undefined
        ? null
        : { port: options.tlsPort ?? "random", x509Dir: options.x509Dir },
    spiceOptions: options.spiceOptions ?? [],
    extraArguments: options.extraArguments ?? [],
  });
  if (!started.ok) {
    await folder[Symbol.asyncDispose]();
    throw new Error(started.error);
  }
  return new TestQemu(started.value, folder);
}

function valueOf(command: string, result: Result<unknown, string>): unknown {
  if (!result.ok) {
    throw new Error(`${command}: ${result.error}`);
  }
  return result.value;
}

function present(port: number | null, name: string): number {
  if (port === null) {
    throw new Error(`this QEMU has no ${name}`);
  }
  return port;
}

/**
 * Arguments for a machine with every channel of SPICE: playback, record, port, webdav, the agent's
 * port and two usbredir, besides main, display, inputs and cursor.
 */
export const EVERY_CHANNEL: readonly string[] = [
  ["-audiodev", "spice,id=sound"],
  ["-device", "intel-hda", "-device", "hda-duplex,audiodev=sound"],
  ["-device", "virtio-serial-pci"],
  ["-chardev", "spicevmc,id=agent,name=vdagent"],
  ["-device", "virtserialport,chardev=agent,name=com.redhat.spice.0"],
  ["-chardev", "spiceport,id=webdav,name=org.spice-space.webdav.0"],
  ["-device", "virtserialport,chardev=webdav,name=org.spice-space.webdav.0"],
  ["-chardev", "spiceport,id=port,name=com.example.port"],
  ["-device", "virtserialport,chardev=port,name=com.example.port"],
  ["-device", "qemu-xhci,id=usb", "-device", "usb-tablet,bus=usb.0"],
  ["-chardev", "spicevmc,id=usb0,name=usbredir", "-device", "usb-redir,chardev=usb0,bus=usb.0"],
  ["-chardev", "spicevmc,id=usb1,name=usbredir", "-device", "usb-redir,chardev=usb1,bus=usb.0"],
].flat();
