/**
 * A spice-gtk client that a test drives step by step: the library behind remote-viewer, without a
 * window. It can keep a channel closed until the test wants it, so that a new channel of a living
 * session opens at a moment of the test's choice. Runs spice-gtk-client.py.
 */
import { fileURLToPath } from "node:url";
import { startChild, type RunningChild } from "./child-process.ts";
import { withDeadline } from "./deadline.ts";
import { readPpm, type Picture } from "./ppm.ts";

/** Where and how to connect: a `.vv` file, or the values one by one (which win over the file's). */
export interface SpiceGtkOptions {
  readonly vvFile?: string;
  readonly host?: string;
  readonly port?: number;
  readonly tlsPort?: number;
  readonly password?: string;
  readonly caFile?: string;
  /** The server certificate's subject; then the host name is not checked. */
  readonly subject?: string;
  /** "all", or names of channels that must use TLS. */
  readonly secureChannels?: readonly string[];
  readonly proxy?: string;
  /** Channels such as "cursor:0" that stay closed until `open`. */
  readonly deferredChannels?: readonly string[];
  /** Open playback and record too (they need GStreamer). */
  readonly audio?: boolean;
  /** Open usbredir channels; true by default, as in remote-viewer. */
  readonly usbredir?: boolean;
  /** Open the smartcard channel too, with a card in software: an NSS database and names in it. */
  readonly smartcard?: { readonly database: string; readonly certificates: readonly string[] };
  /** For a server that asks for a user besides a password (SASL). */
  readonly username?: string;
  /** The folder that the webdav channel offers. */
  readonly sharedFolder?: string;
  /** False for a load that the script must not slow down: then no wait for a pixel ends. */
  readonly watchesDraws?: boolean;
}

/** A series of measurements: what is done so often, and how long each may rest before the next. */
export interface SpiceGtkSeries {
  readonly count: number;
  readonly pauseMs: number;
}

/** The state of a channel: what its last event said. */
export type SpiceGtkState =
  | "none"
  | "opened"
  | "switching"
  | "closed"
  | "error-connect"
  | "error-tls"
  | "error-link"
  | "error-auth"
  | "error-io";

/** What the client reports by itself. */
export type SpiceGtkEvent =
  | { readonly event: "ready" }
  | { readonly event: "channel-new"; readonly channel: string; readonly deferred: boolean }
  | {
      readonly event: "channel";
      readonly channel: string;
      readonly state: SpiceGtkState;
      readonly message: string | null;
    }
  | { readonly event: "channel-destroy"; readonly channel: string }
  | { readonly event: "primary-create"; readonly width: number; readonly height: number }
  | { readonly event: "agent"; readonly connected: boolean; readonly capabilities: number }
  | { readonly event: "playback-start"; readonly channels: number; readonly rate: number }
  /** The first sound that is no silence. */
  | { readonly event: "playback-sound"; readonly bytes: number }
  | { readonly event: "record-start"; readonly channels: number; readonly rate: number }
  | { readonly event: "record-stop" }
  | {
      readonly event: "port";
      readonly channel: string;
      readonly port: string;
      readonly opened: boolean;
    }
  | { readonly event: "port-data"; readonly channel: string; readonly base64: string }
  | { readonly event: "usb-redirected"; readonly message: string | null }
  | { readonly event: "disconnected" };

/** One channel that the client knows. */
export interface SpiceGtkChannel {
  readonly channel: string;
  readonly state: SpiceGtkState;
  readonly readBytes: number;
  /** The port at the other end, or null while there is no connection. */
  readonly remotePort: number | null;
}

/** A running client. Ends with `await using`. */
export class SpiceGtkClient implements AsyncDisposable {
  readonly #child: RunningChild;
  readonly #events: SpiceGtkEvent[] = [];
  readonly #eventListeners = new Set<() => void>();
  readonly #replies = new Map<number, (reply: Reply) => void>();
  #lastId = 0;

  constructor(child: RunningChild) {
    this.#child = child;
    child.onLine((line) => this.#onLine(line));
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Everything that was reported so far, oldest first. */
  get events(): readonly SpiceGtkEvent[] {
    return this.#events;
  }

  /** What spice-gtk wrote on standard error: its warnings. */
  get warnings(): string {
    return this.#child.output("stderr");
  }

  /** Starts to connect. What becomes of it are events: see `waitForChannel`. */
  async connect(options: SpiceGtkOptions): Promise<void> {
    await this.#run("connect", { ...options });
  }

  /** Opens a channel that was deferred. */
  async open(channel: string): Promise<void> {
    await this.#run("open", { channel });
  }

  /** Closes one channel and leaves the others. */
  async close(channel: string): Promise<void> {
    await this.#run("close", { channel });
  }

  async list(): Promise<readonly SpiceGtkChannel[]> {
    const reply = await this.#run("list", {});
    return reply["channels"] as readonly SpiceGtkChannel[];
  }

  /** Presses and releases a key. @param scancode set-1 make code, such as 0x1e for A */
  async sendKey(scancode: number): Promise<void> {
    await this.#run("key", { scancode });
  }

  /** The colour 0xRRGGBB of a pixel of the client's picture now. */
  async pixel(x: number, y: number): Promise<number> {
    return Number((await this.#run("pixel", { x, y }))["colour"]);
  }

  /** The whole picture of display `display` as the client has it, written to `file`. */
  async picture(display: number, file: string): Promise<Picture> {
    await this.#run("picture", { display, file });
    return readPpm(file);
  }

  /** Sends bytes into a port channel such as "port:0". */
  async writeToPort(channel: string, bytes: Uint8Array): Promise<void> {
    await this.#run("write", { channel, base64: Buffer.from(bytes).toString("base64") });
  }

  /**
   * Sends a text into a port channel, again and again, each when its answer is there. Nothing that
   * comes through ports is reported from then on.
   * @param exchange `until`: what the answer contains
   * @returns milliseconds from each text to its answer
   */
  async measurePort(
    exchange: { readonly channel: string; readonly text: string; readonly until: string },
    series: SpiceGtkSeries,
  ): Promise<readonly number[]> {
    const timeoutMs = SERIES_TIMEOUT_MS;
    const reply = await this.#run("measure_port", { ...exchange, ...series, timeoutMs });
    return reply["takenMs"] as readonly number[];
  }

  /** Milliseconds from a key to the first draw after it, again and again. */
  async measureKeys(scancode: number, series: SpiceGtkSeries): Promise<readonly number[]> {
    const timeoutMs = SERIES_TIMEOUT_MS;
    const reply = await this.#run("measure_keys", { scancode, ...series, timeoutMs });
    return reply["takenMs"] as readonly number[];
  }

  /** Sends sound (16 bits, stereo) as the microphone's, once the guest records. */
  async speak(sound: Uint8Array): Promise<void> {
    await this.#run("speak", { base64: Buffer.from(sound).toString("base64") });
  }

  /** Plugs an image file into the guest as a USB CD drive. */
  async shareCd(file: string): Promise<void> {
    await this.#run("share_cd", { file });
    const redirected = await this.waitForA("usb-redirected");
    if (redirected.message !== null) {
      throw new Error(this.#describe(`sharing ${file}: ${redirected.message}`));
    }
  }

  /** Waits until the bytes that came through a port channel hold `text`; gives all of them. */
  async waitForPortText(channel: string, text: string): Promise<string> {
    const arrived = (): string =>
      this.#events
        .map((event) =>
          event.event === "port-data" && event.channel === channel
            ? Buffer.from(event.base64, "base64").toString("latin1")
            : "",
        )
        .join("");
    await this.waitForA("port-data", () => arrived().includes(text));
    return arrived();
  }

  /** The channel of the port that has this name, once it is open. */
  async waitForPort(port: string): Promise<string> {
    return (await this.waitForA("port", (event) => event.port === port && event.opened)).channel;
  }

  /** Waits until a pixel has this colour, as the client's redraws tell. */
  async waitForPixel(
    place: { readonly x: number; readonly y: number; readonly display?: number },
    colour: number,
    timeoutMs: number = EVENT_TIMEOUT_MS,
  ): Promise<void> {
    await this.#run("wait-pixel", { ...place, colour, timeoutMs });
  }

  /** Ends the session as a client does on closing its window. */
  async disconnect(): Promise<void> {
    await this.#run("disconnect", {});
  }

  /**
   * Waits until a channel has reached one of `states`; events of the past count.
   * @throws Error at once when it reaches an error that is not among them
   */
  async waitForChannel(
    channel: string,
    states: readonly SpiceGtkState[] = ["opened"],
    timeoutMs: number = EVENT_TIMEOUT_MS,
  ): Promise<Extract<SpiceGtkEvent, { event: "channel" }>> {
    const what = `${channel} becomes ${states.join(" or ")}`;
    const event = await this.waitForEvent(
      (candidate): candidate is Extract<SpiceGtkEvent, { event: "channel" }> =>
        candidate.event === "channel" &&
        candidate.channel === channel &&
        (states.includes(candidate.state) || candidate.state.startsWith("error-")),
      what,
      timeoutMs,
    );
    if (!states.includes(event.state)) {
      throw new Error(this.#describe(`${what}: it became ${event.state}`));
    }
    return event;
  }

  /** The first event of a name, past or to come, that fits. */
  async waitForA<Name extends SpiceGtkEvent["event"]>(
    name: Name,
    fits: (event: Extract<SpiceGtkEvent, { event: Name }>) => boolean = () => true,
  ): Promise<Extract<SpiceGtkEvent, { event: Name }>> {
    const isIt = (event: SpiceGtkEvent): event is Extract<SpiceGtkEvent, { event: Name }> =>
      event.event === name && fits(event as Extract<SpiceGtkEvent, { event: Name }>);
    return await this.waitForEvent(isIt, `an event ${name} that fits`);
  }

  /** The first event, past or to come, that fits. @throws Error at the deadline, with all events */
  async waitForEvent<Event extends SpiceGtkEvent>(
    fits: (event: SpiceGtkEvent) => event is Event,
    what: string,
    timeoutMs: number = EVENT_TIMEOUT_MS,
  ): Promise<Event> {
    let listener = (): void => {};
    const found = new Promise<Event>((resolve) => {
      listener = () => {
        const event = this.#events.find(fits);
        if (event !== undefined) {
          resolve(event);
        }
      };
    });
    this.#eventListeners.add(listener);
    listener();
    try {
      return await withDeadline(found, timeoutMs, () => this.#describe(what));
    } finally {
      this.#eventListeners.delete(listener);
    }
  }

  /** Kills the client without a word to the server. */
  async kill(): Promise<void> {
    this.#child.signal("SIGKILL");
    await this.#child.waitForExit();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stop();
  }

  async #run(command: string, options: Readonly<Record<string, unknown>>): Promise<Reply> {
    this.#lastId += 1;
    const id = this.#lastId;
    const replied = new Promise<Reply>((resolve) => {
      this.#replies.set(id, resolve);
    });
    this.#child.write(`${JSON.stringify({ ...options, id, command })}\n`);
    const timeoutMs = Number(options["timeoutMs"] ?? 0) + REPLY_TIMEOUT_MS;
    const reply = await withDeadline(replied, timeoutMs, () => this.#describe(command));
    this.#replies.delete(id);
    if (reply["ok"] !== true) {
      throw new Error(this.#describe(String(reply["message"])));
    }
    return reply;
  }

  #onLine(line: string): void {
    const message = JSON.parse(line) as Reply;
    if (typeof message["reply"] === "number") {
      this.#replies.get(message["reply"])?.(message);
      return;
    }
    this.#events.push(message as unknown as SpiceGtkEvent);
    for (const listener of this.#eventListeners) {
      listener();
    }
  }

  #describe(what: string): string {
    const events = this.#events.map((event) => JSON.stringify(event)).join("\n");
    return `${what}\nevents so far:\n${events}\n${this.warnings}`;
  }
}

/** Starts a client that is not connected yet. @param environment more variables for it */
export async function startSpiceGtkClient(
  environment: Readonly<Record<string, string>> = {},
): Promise<SpiceGtkClient> {
  const script = fileURLToPath(new URL("spice-gtk-client.py", import.meta.url));
  // Why the full path: a python3 that comes first in the PATH may lack the bindings.
  const child = startChild({
    command: "/usr/bin/python3",
    args: [script],
    env: { SSL_CERT_FILE: undefined, SPICE_PROXY: undefined, ...environment },
  });
  const client = new SpiceGtkClient(child);
  await child.waitForOutput("stdout", /"ready"/);
  return client;
}

type Reply = Readonly<Record<string, unknown>>;

/** The script answers at once; a cold import of the bindings takes a second. */
const REPLY_TIMEOUT_MS = 5_000;
/** Thousands of exchanges of some milliseconds each. */
const SERIES_TIMEOUT_MS = 60_000;
/** Connecting takes 0.1 s directly; a relay under test may have to time out first. */
const EVENT_TIMEOUT_MS = 20_000;
