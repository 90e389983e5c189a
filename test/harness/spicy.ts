/**
 * spice-gtk's own small clients: spicy-screenshot, which takes the first picture and leaves, and
 * spicy, a window on a display of its own.
 */
import { fail, ok, type Result } from "#shared/base/result.ts";
import { runToEnd, startChild } from "./child-process.ts";
import { readPpm, type Picture } from "./ppm.ts";
import { makeTempFolder } from "./temp-folder.ts";
import { startXDisplay, type XDisplay } from "./x-display.ts";

/** Where and how to connect. */
export interface SpicyOptions {
  /** For TLS it must be a name or address that the server's certificate carries. */
  readonly host?: string;
  readonly port?: number;
  readonly tlsPort?: number;
  readonly password?: string;
  /** The CA's PEM file; needed with `tlsPort`. */
  readonly caFile?: string;
  readonly timeoutMs?: number;
}

/** A picture and how long it took from the process's start to its end. */
export interface SpicyPicture {
  readonly picture: Picture;
  readonly durationMs: number;
}

/** Why there is no picture. */
export interface SpicyFailure {
  /** What spice-gtk says of its main channel, or "none" when it says nothing. */
  readonly event: SpicyEvent;
  readonly output: string;
}

export type SpicyEvent = (typeof MAIN_EVENTS)[keyof typeof MAIN_EVENTS] | "none";

/** Takes a screenshot. The failure is what the client itself reports. @throws Error at the deadline */
export async function takeSpicyScreenshot(
  options: SpicyOptions,
): Promise<Result<SpicyPicture, SpicyFailure>> {
  await using folder = await makeTempFolder();
  const file = folder.file("screenshot.ppm");
  const args = ["-h", options.host ?? "127.0.0.1", "-o", file];
  for (const [flag, value] of [
    ["-p", options.port],
    ["-s", options.tlsPort],
    ["-w", options.password],
  ] as const) {
    args.push(...(value === undefined ? [] : [flag, String(value)]));
  }
  const startMs = performance.now();
  const exit = await runToEnd(
    // Why SSL_CERT_FILE: the tool has no option for a CA and reads OpenSSL's default store.
    { command: "spicy-screenshot", args, env: { SSL_CERT_FILE: options.caFile } },
    options.timeoutMs ?? TIMEOUT_MS,
  );
  const output = exit.stdout + exit.stderr;
  if (exit.code !== 0) {
    const code = /main channel event: (\d+)/.exec(output)?.[1];
    return fail({ event: eventName(Number(code)), output });
  }
  return ok({ picture: await readPpm(file), durationMs: performance.now() - startMs });
}

/** A spicy with its window. Ends with `await using`. */
export interface SpicyWindow extends AsyncDisposable {
  readonly display: XDisplay;
  /** Closes the window politely and waits until spicy has left. */
  close(): Promise<void>;
}

/** Starts spicy; its window is on the display when this resolves. @param subject of the server */
export async function startSpicy(
  options: SpicyOptions & { readonly subject: string },
): Promise<SpicyWindow> {
  const folder = await makeTempFolder();
  const display = await startXDisplay();
  const child = startChild({
    command: "spicy",
    args: [
      ...["-h", options.host ?? "127.0.0.1", "-s", String(options.tlsPort)],
      ...["-w", options.password ?? ""],
      ...[`--spice-ca-file=${options.caFile}`, `--spice-host-subject=${options.subject}`],
    ],
    env: {
      DISPLAY: display.name,
      HOME: folder.path,
      XDG_CONFIG_HOME: folder.file("config"),
      GDK_BACKEND: "x11",
      GSETTINGS_BACKEND: "memory",
      NO_AT_BRIDGE: "1",
      DBUS_SESSION_BUS_ADDRESS: undefined,
      SPICE_PROXY: undefined,
    },
  });
  const dispose = async (): Promise<void> => {
    await child.stop();
    await display[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  };
  try {
    await display.waitForWindow(SPICY_CLASS);
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    display,
    close: async () => {
      await display.closeWindow(await display.waitForWindow(SPICY_CLASS));
      await child.waitForExit();
    },
    [Symbol.asyncDispose]: dispose,
  };
}

function eventName(code: number): SpicyEvent {
  const name = Object.entries(MAIN_EVENTS).find(([number]) => Number(number) === code);
  return name?.[1] ?? "none";
}

/** SpiceChannelEvent of spice-gtk (spice-channel.h): the ones that end a connection. */
const MAIN_EVENTS = {
  12: "closed",
  20: "error-connect",
  21: "error-tls",
  22: "error-link",
  23: "error-auth",
  24: "error-io",
} as const;
const SPICY_CLASS = "spicy";
/** It takes 0.1 s directly; a relay under test may have to time out first. */
const TIMEOUT_MS = 20_000;
