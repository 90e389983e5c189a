/**
 * One measurement each, with a spice-gtk client that comes in by a given way: exchanges with QEMU's
 * monitor over a port channel, keys until Xspice has drawn, and Xspice drawing as fast as it can.
 */
import { writeFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { startChild } from "../../harness/child-process.ts";
import { MONITOR_PORT_NAME } from "../../harness/every-device.ts";
import { type SpiceGtkClient, startSpiceGtkClient } from "../../harness/spice-gtk-client.ts";
import type { TempFolder } from "../../harness/temp-folder.ts";
import type { TestXspice } from "../../harness/xspice.ts";
import { readCpuS } from "../relay/process-usage.ts";
import { openDrawCounter } from "./draw-counter.ts";
import type { Way } from "./ways.ts";

/** What a load came to over its window. */
export interface LoadSample {
  /** 10⁶ bytes a second that the display channel read. */
  readonly megabytesPerS: number;
  /** NaN where nobody counted them. */
  readonly messagesPerS: number;
  /** CPU seconds of the proxy per 10⁹ bytes and per 10⁶ messages; null without a proxy. */
  readonly cpuPerGb: number | null;
  readonly cpuPerMillion: number | null;
  /** Cores that the proxy was busy on; null without a proxy. */
  readonly proxyCores: number | null;
  /** The same of the client, and of the X server. */
  readonly clientCores: number;
  readonly serverCores: number;
}

/** Makes every client ask for the cipher that the relay prefers, whatever a server would choose. */
export async function clientEnvironment(folder: TempFolder): Promise<Record<string, string>> {
  const file = folder.file("openssl.cnf");
  await writeFile(file, ONE_CIPHER);
  return { OPENSSL_CONF: file };
}

/** Milliseconds of each exchange of one small command and its answer. */
export async function measureEchoes(
  way: Way,
  environment: Readonly<Record<string, string>>,
  count: number,
): Promise<readonly number[]> {
  await using entry = await way.enter();
  await using client = await startSpiceGtkClient(environment);
  await client.connect(entry.options);
  await waitForChannels(client);
  const channel = await client.waitForPort(MONITOR_PORT_NAME);
  await client.waitForPortText(channel, '"QMP"');
  const exchange = { channel, text: '{"execute":"query-name"}', until: '"return"' };
  const hello = { ...exchange, text: '{"execute":"qmp_capabilities"}' };
  await client.measurePort(hello, { count: 1, pauseMs: 0 });
  await client.measurePort(exchange, { count: ECHO_WARM_UP_COUNT, pauseMs: PAUSE_MS });
  return await client.measurePort(exchange, { count, pauseMs: PAUSE_MS });
}

/** Milliseconds from each key to the first draw after it. */
export async function measureKeys(
  way: Way,
  environment: Readonly<Record<string, string>>,
  count: number,
): Promise<readonly number[]> {
  await using entry = await way.enter();
  await using client = await startSpiceGtkClient(environment);
  await client.connect(entry.options);
  await waitForChannels(client);
  await client.waitForA("primary-create");
  await client.measureKeys(SCANCODE_A, { count: KEY_WARM_UP_COUNT, pauseMs: KEY_PAUSE_MS });
  return await client.measureKeys(SCANCODE_A, { count, pauseMs: KEY_PAUSE_MS });
}

/** Uncompressed pictures of 500 × 500 pixels, as fast as they are taken, to a spice-gtk client. */
export async function measurePictures(
  way: Way,
  environment: Readonly<Record<string, string>>,
  server: TestXspice,
): Promise<LoadSample> {
  await using entry = await way.enter();
  await using client = await startSpiceGtkClient(environment);
  await client.connect({ ...entry.options, watchesDraws: false });
  await waitForChannels(client);
  await client.waitForA("primary-create");
  return await measureDrawing("-putimage500", {
    pids: { proxy: way.proxyPid, client: client.pid, server: server.pid },
    display: server.display,
    progress: async () => {
      const channels = await client.list();
      const display = channels.find((channel) => channel.channel === "display:0");
      return { byteCount: display?.readBytes ?? 0, messageCount: Number.NaN };
    },
  });
}

/** Fills of one pixel, as fast as they are taken, to a viewer that only counts. */
export async function measureFills(way: Way, server: TestXspice): Promise<LoadSample> {
  await using entry = await way.enter();
  await using counter = await openDrawCounter(entry);
  return await measureDrawing("-rect1", {
    pids: { proxy: way.proxyPid, client: process.pid, server: server.pid },
    display: server.display,
    progress: () => {
      const { byteCount, messageCount } = counter;
      return Promise.resolve({ byteCount, messageCount });
    },
  });
}

/** What is looked at while something is drawn. */
interface Scene {
  readonly pids: {
    readonly proxy: number | null;
    readonly client: number;
    readonly server: number;
  };
  readonly display: string;
  progress(): Promise<{ readonly byteCount: number; readonly messageCount: number }>;
}

/** Draws one thing of x11perf's list over and over and looks at a window of that time. */
async function measureDrawing(drawing: string, scene: Scene): Promise<LoadSample> {
  await using painter = startChild({
    command: "x11perf",
    args: ["-reps", REPETITIONS, "-repeat", "1", drawing],
    env: { DISPLAY: scene.display },
  });
  await pause(LOAD_WARM_UP_MS);
  const before = await sample(scene);
  await pause(WINDOW_MS);
  const after = await sample(scene);
  if (painter.isExited) {
    throw new Error(`x11perf ended: ${painter.output("stderr")}`);
  }
  const elapsedS = after.atS - before.atS;
  const byteCount = after.byteCount - before.byteCount;
  const messageCount = after.messageCount - before.messageCount;
  const isProxied = scene.pids.proxy !== null;
  const proxyS = after.proxyS - before.proxyS;
  return {
    megabytesPerS: byteCount / 1e6 / elapsedS,
    messagesPerS: messageCount / elapsedS,
    cpuPerGb: isProxied ? proxyS / (byteCount / 1e9) : null,
    cpuPerMillion: isProxied ? proxyS / (messageCount / 1e6) : null,
    proxyCores: isProxied ? proxyS / elapsedS : null,
    clientCores: (after.clientS - before.clientS) / elapsedS,
    serverCores: (after.serverS - before.serverS) / elapsedS,
  };
}

async function sample(scene: Scene) {
  const { pids } = scene;
  const { byteCount, messageCount } = await scene.progress();
  return {
    atS: performance.now() / 1_000,
    byteCount,
    messageCount,
    proxyS: pids.proxy === null ? 0 : await readCpuS(pids.proxy),
    clientS: await readCpuS(pids.client),
    serverS: await readCpuS(pids.server),
  };
}

async function waitForChannels(client: SpiceGtkClient): Promise<void> {
  const names = ["main:0", "display:0", "inputs:0", "cursor:0"];
  await Promise.all(names.map((name) => client.waitForChannel(name)));
}

const ONE_CIPHER = `
openssl_conf = client
[client]
ssl_conf = ssl
[ssl]
system_default = only
[only]
Ciphersuites = TLS_AES_128_GCM_SHA256
`;
const ECHO_WARM_UP_COUNT = 50;
const KEY_WARM_UP_COUNT = 20;
/** Everybody has gone to sleep again by then, as between two keys of a person. */
const PAUSE_MS = 2;
/** X draws once for a key and again, when the window's other half is exposed, within this time. */
const KEY_PAUSE_MS = 6;
const SCANCODE_A = 0x1e;
/** More than a window's time has room for; x11perf is ended, it does not finish. */
const REPETITIONS = "100000000";
/** The kernel has grown its socket buffers by then, and the relay's code is compiled. */
const LOAD_WARM_UP_MS = 1_500;
const WINDOW_MS = 4_000;
