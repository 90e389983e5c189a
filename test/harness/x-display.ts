/**
 * A virtual X display (Xvfb) of one test, and the few things a person does at it: find a window,
 * click, type, look at a pixel. It needs no window manager.
 */
import { startChild, runToEnd, type RunningChild } from "./child-process.ts";
import { eventually } from "./deadline.ts";
import { pixelAt, readPpm, type Picture } from "./ppm.ts";
import { makeTempFolder, type TempFolder } from "./temp-folder.ts";

/** A place on the display in pixels. */
export interface DisplayPlace {
  readonly x: number;
  readonly y: number;
}

/** A running Xvfb. Ends with `await using`. */
export class XDisplay implements AsyncDisposable {
  /** What programs need in DISPLAY, such as ":1". */
  readonly name: string;
  readonly #child: RunningChild;
  readonly #folder: TempFolder;

  constructor(name: string, child: RunningChild, folder: TempFolder) {
    this.name = name;
    this.#child = child;
    this.#folder = folder;
  }

  /**
   * Waits for a visible window of a program.
   * @param className the program's window class, such as "remote-viewer"
   * @returns the window's id
   */
  async waitForWindow(className: string, timeoutMs: number = WINDOW_TIMEOUT_MS): Promise<string> {
    const args = ["search", "--sync", "--onlyvisible", "--class", className];
    const output = await this.#xdotool(args, timeoutMs);
    const window = output.trim().split("\n").at(-1);
    if (window === undefined || window === "") {
      throw new Error(`there is no window of ${className}`);
    }
    return window;
  }

  /** The title of a window. */
  async windowTitle(window: string): Promise<string> {
    return (await this.#xdotool(["getwindowname", window])).trim();
  }

  /** Clicks at a place of the display: what has no window manager gets its focus so. */
  async click(place: DisplayPlace): Promise<void> {
    await this.#xdotool(["mousemove", String(place.x), String(place.y), "click", "1"]);
  }

  /** Types a key by its X name ("a", "Return") into whatever has the focus. */
  async typeKey(name: string): Promise<void> {
    await this.#xdotool(["key", name]);
  }

  /** The whole display as a picture. */
  async screenshot(file: string = this.#folder.file("screenshot.ppm")): Promise<Picture> {
    const args = ["-window", "root", "-depth", "8", `ppm:${file}`];
    const taken = await runToEnd({ command: "import", args, env: this.#env() });
    if (taken.code !== 0) {
      throw new Error(`import: ${taken.stderr}`);
    }
    return readPpm(file);
  }

  /** Waits until a pixel of the display has this colour. X tells of no such event. */
  async waitForPixel(
    place: DisplayPlace,
    colour: number,
    timeoutMs: number = PIXEL_TIMEOUT_MS,
  ): Promise<void> {
    await eventually(
      `pixel ${place.x},${place.y} of the display is ${colour.toString(16)}`,
      async () => (pixelAt(await this.screenshot(), place.x, place.y) === colour ? true : null),
      { timeoutMs },
    );
  }

  /** Asks a window to close, as its close button does (WM_DELETE_WINDOW). */
  async closeWindow(window: string): Promise<void> {
    const args = ["-c", CLOSE_WINDOW_PY, window];
    const closed = await runToEnd({ command: "/usr/bin/python3", args, env: this.#env() });
    if (closed.code !== 0) {
      throw new Error(`cannot close window ${window}: ${closed.stderr}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stop();
    await this.#folder[Symbol.asyncDispose]();
  }

  async #xdotool(args: readonly string[], timeoutMs: number = TOOL_TIMEOUT_MS): Promise<string> {
    const done = await runToEnd({ command: "xdotool", args, env: this.#env() }, timeoutMs);
    if (done.code !== 0) {
      throw new Error(`xdotool ${args.join(" ")}: ${done.stderr}`);
    }
    return done.stdout;
  }

  #env(): Readonly<Record<string, string>> {
    return { DISPLAY: this.name };
  }
}

/** Starts Xvfb on a display that is free; it accepts programs when this resolves. */
export async function startXDisplay(): Promise<XDisplay> {
  const folder = await makeTempFolder();
  // Why -displayfd: Xvfb itself picks a free number and tells it once it listens.
  const child = startChild({
    command: "Xvfb",
    args: ["-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp", "-noreset"],
  });
  try {
    const number = (await child.waitForOutput("stdout", /^(\d+)\n/))[1];
    return new XDisplay(`:${number ?? ""}`, child, folder);
  } catch (error) {
    await child.stop();
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

/** xdotool can only destroy a window; the polite request is a client message of libX11. */
const CLOSE_WINDOW_PY = `
import ctypes, sys
x11 = ctypes.CDLL("libX11.so.6")
x11.XOpenDisplay.restype = ctypes.c_void_p
x11.XInternAtom.restype = ctypes.c_ulong
x11.XInternAtom.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
x11.XSendEvent.argtypes = [
    ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int, ctypes.c_long, ctypes.c_void_p]
x11.XSync.argtypes = [ctypes.c_void_p, ctypes.c_int]
class ClientMessage(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("serial", ctypes.c_ulong), ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p), ("window", ctypes.c_ulong), ("message_type", ctypes.c_ulong),
        ("format", ctypes.c_int), ("data", ctypes.c_long * 5), ("padding", ctypes.c_long * 16)]
CLIENT_MESSAGE, NO_EVENT_MASK, LONGS = 33, 0, 32
display, window = x11.XOpenDisplay(None), int(sys.argv[1])
atom = lambda name: x11.XInternAtom(display, name, 0)
message = ClientMessage(type=CLIENT_MESSAGE, window=window, format=LONGS,
    message_type=atom(b"WM_PROTOCOLS"))
message.data[0] = atom(b"WM_DELETE_WINDOW")
x11.XSendEvent(display, window, 0, NO_EVENT_MASK, ctypes.byref(message))
x11.XSync(display, 0)
`;

const TOOL_TIMEOUT_MS = 5_000;
/** A window of remote-viewer appears within a second on an idle machine. */
const WINDOW_TIMEOUT_MS = 20_000;
const PIXEL_TIMEOUT_MS = 15_000;
