/**
 * remote-viewer on a display of its own: opens a `.vv` file as a person would, and is looked at and
 * typed at from outside. Nothing of the user's settings is read or written.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startChild, type ChildExit, type RunningChild } from "./child-process.ts";
import { makeTempFolder, type TempFolder } from "./temp-folder.ts";
import { startXDisplay, type DisplayPlace, type XDisplay } from "./x-display.ts";

/** A running remote-viewer with its display. Ends with `await using`. */
export class RemoteViewer implements AsyncDisposable {
  readonly display: XDisplay;
  readonly #child: RunningChild;
  readonly #folder: TempFolder;

  constructor(display: XDisplay, child: RunningChild, folder: TempFolder) {
    this.display = display;
    this.#child = child;
    this.#folder = folder;
  }

  /** What remote-viewer wrote with --debug: its reasons are there and on no other way out. */
  log(): string {
    return this.#child.output("stdout") + this.#child.output("stderr");
  }

  /** Waits for a line of the debug log. */
  async waitForLog(pattern: RegExp, timeoutMs: number = LOG_TIMEOUT_MS): Promise<void> {
    await this.#child.waitForOutput("stderr", pattern, timeoutMs);
  }

  /** Waits until the guest's pixel is shown. @param place in the guest's own coordinates */
  async waitForGuestPixel(place: DisplayPlace, colour: number): Promise<void> {
    await this.display.waitForPixel(onDisplay(place), colour);
  }

  /** Clicks into the guest's picture, so that it has the focus, and types a key by its X name. */
  async typeKey(name: string): Promise<void> {
    await this.display.click(onDisplay(CLICK_PLACE));
    await this.display.typeKey(name);
  }

  /** Closes the window politely and waits until remote-viewer has left. */
  async close(): Promise<ChildExit> {
    const window = await this.display.waitForWindow(WINDOW_CLASS);
    await this.display.closeWindow(window);
    return this.#child.waitForExit();
  }

  /** Ends remote-viewer without ceremony. */
  async kill(): Promise<void> {
    this.#child.signal("SIGKILL");
    await this.#child.waitForExit();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stop();
    await this.display[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** Starts remote-viewer with a `.vv` file; its window is on the display when this resolves. */
export async function startRemoteViewer(vvFile: string): Promise<RemoteViewer> {
  const folder = await makeTempFolder();
  const display = await startXDisplay();
  const env = await makeHome(folder);
  const child = startChild({
    command: "remote-viewer",
    args: ["--debug", vvFile],
    env: { ...env, DISPLAY: display.name },
  });
  const viewer = new RemoteViewer(display, child, folder);
  try {
    await display.waitForWindow(WINDOW_CLASS);
    return viewer;
  } catch (error) {
    await viewer[Symbol.asyncDispose]();
    throw error;
  }
}

async function makeHome(folder: TempFolder): Promise<Record<string, string | undefined>> {
  const config = folder.file("config");
  await mkdir(join(config, "virt-viewer"), { recursive: true });
  // Why: it would ask "Do you want to close the session?" and wait.
  await writeFile(join(config, "virt-viewer", "settings"), "[virt-viewer]\nask-quit=false\n");
  await mkdir(folder.file("run"), { mode: 0o700 });
  return {
    HOME: folder.path,
    XDG_CONFIG_HOME: config,
    XDG_CACHE_HOME: folder.file("cache"),
    XDG_DATA_HOME: folder.file("data"),
    XDG_RUNTIME_DIR: folder.file("run"),
    GDK_BACKEND: "x11",
    GSETTINGS_BACKEND: "memory",
    NO_AT_BRIDGE: "1",
    LC_ALL: "C.UTF-8",
    DBUS_SESSION_BUS_ADDRESS: undefined,
    SSL_CERT_FILE: undefined,
    SPICE_PROXY: undefined,
  };
}

function onDisplay(place: DisplayPlace): DisplayPlace {
  return { x: place.x + GUEST_ORIGIN.x, y: place.y + GUEST_ORIGIN.y };
}

/** Of every window of remote-viewer, its dialogs included. */
const WINDOW_CLASS = "remote-viewer";
/** Where the guest's pixel 0,0 is without a window manager: below menu bar and border. */
const GUEST_ORIGIN: DisplayPlace = { x: 2, y: 52 };
const CLICK_PLACE: DisplayPlace = { x: 300, y: 250 };
const LOG_TIMEOUT_MS = 20_000;
