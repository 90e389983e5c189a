/**
 * `npm run bench -- real`: the relay among real programs. QEMU and Xspice serve, spice-gtk watches,
 * and each measurement is made by every way in turn: directly, through HAProxy, through the relay.
 * The method is told in docs/performance/real-programs.md. All is on loopback and ends with this
 * process.
 */
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { makeServerCertificate, type ServerCertificate } from "../../harness/certificates.ts";
import { MONITOR_PORT_NAME } from "../../harness/every-device.ts";
import { installCommand, missingTools } from "../../harness/packages.ts";
import { startTestQemu } from "../../harness/qemu.ts";
import { TestStack } from "../../harness/stack.ts";
import { makeTempFolder, type TempFolder } from "../../harness/temp-folder.ts";
import { startXspice } from "../../harness/xspice.ts";
import { isPinning } from "../relay/cores.ts";
import { startHaproxy } from "../relay/haproxy.ts";
import {
  clientEnvironment,
  type LoadSample,
  measureEchoes,
  measureKeys,
  measureFills,
  measurePictures,
} from "./measure.ts";
import { type LatencyFigures, printRealReport, type RealFigures } from "./real-report.ts";
import { summarizeLatency, summarizeLoads } from "./summaries.ts";
import { pinToProxyCore, type RealServer, type Way, type WayName, waysTo } from "./ways.ts";

/** Measures and prints; `--json` prints one object, `--parts` names what to measure. */
export async function runRealBench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: "boolean", default: false },
      rounds: { type: "string", default: "5" },
      parts: { type: "string", default: PARTS.join(",") },
    },
  });
  const parts = values.parts.split(",");
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1 || !parts.every((part) => PARTS.includes(part))) {
    throw new Error(`--rounds takes a whole number, --parts some of ${PARTS.join(",")}`);
  }
  if (await isSomethingMissing()) {
    return;
  }
  await using rig = await Rig.start();
  const figures: RealFigures = {
    ...(parts.includes("echo") ? { echo: await measureQemu(rig, rounds) } : {}),
    ...(await measureXspice(rig, parts, rounds)),
    method: { rounds, pinned: isPinning() },
  };
  if (values.json) {
    console.log(JSON.stringify(figures));
  } else {
    printRealReport(figures);
  }
}

/** What all measurements share. Close it with `await using`. */
class Rig implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly stack: TestStack;
  readonly folder: TempFolder;
  readonly certificate: ServerCertificate;
  readonly environment: Readonly<Record<string, string>>;

  private constructor(
    stack: AsyncDisposableStack,
    parts: Pick<Rig, "stack" | "folder" | "certificate" | "environment">,
  ) {
    this.#stack = stack;
    this.stack = parts.stack;
    this.folder = parts.folder;
    this.certificate = parts.certificate;
    this.environment = parts.environment;
  }

  static async start(): Promise<Rig> {
    await using disposables = new AsyncDisposableStack();
    const folder = disposables.use(await makeTempFolder());
    // One process that carries bytes, as HAProxy has one thread.
    const stack = disposables.use(await TestStack.start({ relayArguments: ["--workers", "1"] }));
    await pinToProxyCore(stack.relay.pid);
    const certificate = await makeServerCertificate(folder.file("tls"));
    const environment = await clientEnvironment(folder);
    return new Rig(disposables.move(), { stack, folder, certificate, environment });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

async function measureQemu(rig: Rig, rounds: number): Promise<LatencyFigures> {
  const { folder } = rig.certificate;
  await using qemu = await startTestQemu({ x509Dir: folder, extraArguments: MONITOR });
  await qemu.waitForGuest();
  const { port, tlsPort } = qemu;
  const echoes = (way: Way) => measureEchoes(way, rig.environment, ECHO_COUNT);
  return await withWays(rig, { name: "qemu", port, tlsPort, password: null }, async (ways) =>
    summarizeLatency(await inTurns(ways, rounds, echoes)),
  );
}

async function measureXspice(
  rig: Rig,
  parts: readonly string[],
  rounds: number,
): Promise<Pick<RealFigures, "key" | "pictures" | "fills">> {
  await using xspice = await startXspice({
    ...{ password: PASSWORD, x509Dir: rig.certificate.folder, isPlainToo: true },
    environment: { XSPICE_IMAGE_COMPRESSION: "off", XSPICE_STREAMING_VIDEO: "off" },
  });
  const { port, tlsPort } = xspice;
  const server = { name: "xspice", port, tlsPort: tlsPort ?? 0, password: PASSWORD };
  return await withWays(rig, server, async (ways) => {
    const keys = (way: Way) => measureKeys(way, rig.environment, KEY_COUNT);
    const pictures = (way: Way) => measurePictures(way, rig.environment, xspice);
    const fills = (way: Way) => measureFills(way, xspice);
    // Once it is linked, a connection by CONNECT is carried like any other of the relay.
    const carriers = ways.filter((way) => way.name !== "relay CONNECT");
    const loads = async (measure: (way: Way) => Promise<LoadSample>) =>
      summarizeLoads(await inTurns(carriers, rounds, measure));
    return {
      ...(parts.includes("key")
        ? { key: summarizeLatency(await inTurns(ways, rounds, keys)) }
        : {}),
      ...(parts.includes("pictures") ? { pictures: await loads(pictures) } : {}),
      ...(parts.includes("fills") ? { fills: await loads(fills) } : {}),
    };
  });
}

async function withWays<Value>(
  rig: Rig,
  server: Omit<RealServer, "caFile" | "ca"> & { readonly name: string },
  use: (ways: readonly Way[]) => Promise<Value>,
): Promise<Value> {
  const { caFile, certificatePem, keyPem } = rig.certificate;
  const serverPort = server.port;
  await using haproxy = await startHaproxy({ cert: certificatePem, key: keyPem, serverPort });
  const through = { stack: rig.stack, haproxy, name: server.name };
  const ca = await readFile(caFile, "utf8");
  return await use(await waysTo({ ...server, caFile, ca }, through));
}

/** Every way once a round, each round beginning with another one. */
async function inTurns<Value>(
  ways: readonly Way[],
  rounds: number,
  measure: (way: Way) => Promise<Value>,
): Promise<ReadonlyMap<WayName, readonly Value[]>> {
  const taken = new Map<WayName, Value[]>(ways.map((way) => [way.name, []]));
  for (let round = 0; round < rounds; round += 1) {
    const first = round % ways.length;
    for (const way of [...ways.slice(first), ...ways.slice(0, first)]) {
      taken.get(way.name)?.push(await measure(way));
    }
  }
  return taken;
}

/** Says what the machine lacks; a benchmark that measured half of it would mislead. */
async function isSomethingMissing(): Promise<boolean> {
  const missing = (await missingTools()).filter((tool) => NEEDED_TOOLS.has(tool.name));
  if (missing.length > 0) {
    console.error(`not installed: ${missing.map((tool) => tool.name).join(", ")}`);
    console.error(`  ${installCommand(missing)}`);
    process.exitCode = 1;
  }
  return missing.length > 0;
}

const PARTS = ["echo", "key", "pictures", "fills"];
const NEEDED_TOOLS = new Set([
  "QEMU with SPICE",
  "spice-gtk for Python",
  "Xspice",
  "haproxy",
  "x11perf",
]);
const PASSWORD = "for the bench";
const MONITOR = [
  ...["-chardev", `spiceport,id=monitor,name=${MONITOR_PORT_NAME}`],
  ...["-mon", "chardev=monitor,mode=control"],
];
const ECHO_COUNT = 500;
const KEY_COUNT = 200;
