/**
 * Xspice of one test: an X server that serves SPICE by itself, without a hypervisor. On it runs one
 * program that paints a colour at each key, so that it can be looked at and typed at like a guest.
 */
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type RunningChild, startChild } from "./child-process.ts";
import { freePort } from "./stack.ts";
import { makeTempFolder, type TempFolder } from "./temp-folder.ts";

export interface XspiceOptions {
  readonly password: string;
  /** Serve TLS alone, with this folder's certificate (see certificates.ts). */
  readonly x509Dir?: string;
  /** Serve a plain port beside TLS; `port` is then the plain one. */
  readonly isPlainToo?: boolean;
  /** More of the driver's variables, such as XSPICE_IMAGE_COMPRESSION. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Where an Xspice is to be found. */
interface XspicePlace {
  readonly port: number;
  readonly tlsPort: number | null;
  readonly display: string;
  readonly pid: number;
}

/** A running Xspice. Ends with `await using`. */
export class TestXspice implements AsyncDisposable {
  /** The port that it was asked to serve: TLS when it has a certificate, else plain. */
  readonly port: number;
  /** The TLS port; null without a certificate. */
  readonly tlsPort: number | null;
  /** What programs need in DISPLAY, such as ":1". */
  readonly display: string;
  /** The X server's. */
  readonly pid: number;
  readonly #children: readonly RunningChild[];
  readonly #folder: TempFolder;

  constructor(place: XspicePlace, children: readonly RunningChild[], folder: TempFolder) {
    this.port = place.port;
    this.tlsPort = place.tlsPort;
    this.display = place.display;
    this.pid = place.pid;
    this.#children = children;
    this.#folder = folder;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#children.map((child) => child.stop()));
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** The colour of the screen before the first key. */
export const XSPICE_IDLE_COLOUR = 0x304050;

/** The screen's colour after a key. @param scancode its set-1 make code */
export function xspiceKeyColour(scancode: number, pressCount: number): number {
  return ((scancode + X_KEYCODE_OFFSET) << 16) | (pressCount << 8) | (~pressCount & 0xff);
}

/** Starts Xspice and its painter; its screen is painted when this resolves. */
export async function startXspice(options: XspiceOptions): Promise<TestXspice> {
  const folder = await makeTempFolder();
  const port = await freePort();
  const ports = { port, tlsPort: options.x509Dir === undefined ? null : port };
  if (options.isPlainToo === true) {
    ports.port = await freePort();
  }
  const config = folder.file("xorg.conf");
  await writeFile(config, CONFIG);
  const server = startChild({
    // Why a shell: Xorg closes the descriptor on which it has told its display. Were that its
    // standard output, the first program's connection would become it, and what the driver prints
    // would go to that program.
    command: "/bin/sh",
    args: [
      ...["-c", 'exec "$@" 3>&1', "sh"],
      // What the script "Xspice" starts: it would only turn options into this environment.
      ...["/usr/lib/xorg/Xorg", "-config", config, "-logfile", folder.file("xorg.log")],
      ...["-displayfd", "3", "-noreset", "-nolisten", "tcp"],
    ],
    env: {
      ...(options.x509Dir === undefined ? {} : tlsEnvironment(port, options.x509Dir)),
      XSPICE_PORT: ports.port === ports.tlsPort ? "0" : String(ports.port),
      XSPICE_PASSWORD: options.password,
      QXL_NUM_HEADS: "1",
      ...options.environment,
    },
  });
  const children = [server];
  const place = { ...ports, pid: server.pid };
  try {
    const number = (await server.waitForOutput("stdout", /^(\d+)\n/))[1] ?? "";
    const display = `:${number}`;
    const painter = startChild({
      command: "/usr/bin/python3",
      args: [PAINTER, XSPICE_IDLE_COLOUR.toString(16)],
      env: { DISPLAY: display },
    });
    children.unshift(painter);
    await painter.waitForOutput("stdout", /ready/);
    return new TestXspice({ ...place, display }, children, folder);
  } catch (error) {
    await new TestXspice({ ...place, display: "" }, children, folder)[Symbol.asyncDispose]();
    throw error;
  }
}

function tlsEnvironment(port: number, x509Dir: string): Record<string, string> {
  return {
    XSPICE_TLS_PORT: String(port),
    XSPICE_X509_DIR: x509Dir,
    XSPICE_CACERT_FILE: `${x509Dir}/ca-cert.pem`,
    XSPICE_X509_KEY_FILE: `${x509Dir}/server-key.pem`,
    XSPICE_X509_CERT_FILE: `${x509Dir}/server-cert.pem`,
  };
}

const PAINTER = fileURLToPath(new URL("x-key-painter.py", import.meta.url));
/** X's keycodes are the kernel's plus this. */
const X_KEYCODE_OFFSET = 8;
/** Without the three sizes the driver crashes as it starts; without the address it serves the world. */
const CONFIG = `
Section "Device"
    Identifier "card"
    Driver "spiceqxl"
    Option "SpiceAddr" "127.0.0.1"
    Option "NumHeads" "1"
    Option "SurfaceBufferSize" "128"
    Option "CommandBufferSize" "128"
    Option "FrameBufferSize" "16"
EndSection
Section "InputDevice"
    Identifier "pointer"
    Driver "xspice pointer"
EndSection
Section "InputDevice"
    Identifier "keyboard"
    Driver "xspice keyboard"
EndSection
Section "Monitor"
    Identifier "monitor"
EndSection
Section "Screen"
    Identifier "screen"
    Monitor "monitor"
    Device "card"
    DefaultDepth 24
EndSection
Section "ServerLayout"
    Identifier "layout"
    Screen "screen"
    InputDevice "keyboard"
    InputDevice "pointer"
EndSection
Section "ServerFlags"
    Option "AutoAddDevices" "False"
EndSection
`;
