/**
 * `npm run bench -- start`: how long `npm start` takes until it is ready, and how long a ticket request takes, in
 * a Kerbside of its own on this machine. Prints a table, or one object with `--json`.
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { startChild } from "../harness/child-process.ts";
import { startTestQemu } from "../harness/qemu.ts";
import { takeSpicyScreenshot } from "../harness/spicy.ts";
import { freePort, TestStack } from "../harness/stack.ts";
import { makeTempFolder } from "../harness/temp-folder.ts";
import { type Figure, figureOf } from "./figure.ts";

/** Prints the figures; `--json` prints one object. */
export async function runStartBench(args: readonly string[]): Promise<void> {
  const starts = await measureStarts();
  await using stack = await TestStack.start();
  const tickets = await measureTickets(stack);
  const pictures = await measurePictures(stack);
  const figures = { ...starts, ticketRequest: tickets, ...pictures };
  if (args.includes("--json")) {
    console.log(JSON.stringify(figures));
  } else {
    console.table(figures);
  }
}

/** From the command to the line that says "ready": on an empty folder, and again on its state. */
async function measureStarts(): Promise<{ firstStart: Figure; laterStart: Figure }> {
  const first: number[] = [];
  const later: number[] = [];
  for (let round = 0; round < START_ROUNDS; round += 1) {
    await using folder = await makeTempFolder();
    first.push(await measureStart(folder.file("state")));
    later.push(await measureStart(folder.file("state")));
  }
  return { firstStart: figureOf(first), laterStart: figureOf(later) };
}

async function measureStart(stateDir: string): Promise<number> {
  const [port, relayPort] = [await freePort(), await freePort()];
  const startedMs = performance.now();
  await using child = startChild({
    command: process.execPath,
    args: [
      ...[join(PROJECT_ROOT, "worker/dev/launch.mjs"), "worker/dev/start.ts", "--json"],
      ...["--state-dir", stateDir, "--port", String(port), "--relay-port", String(relayPort)],
    ],
  });
  await child.waitForOutput("stdout", /\n/, 30_000);
  const elapsedMs = performance.now() - startedMs;
  child.signal("SIGTERM");
  await child.waitForExit(20_000);
  return elapsedMs;
}

/** POST …/tickets, one after the other, with a relay that acknowledges each grant. */
async function measureTickets(stack: TestStack): Promise<Figure> {
  const consoleId = await stack.createConsole("bench", { port: 5900 });
  const elapsed: number[] = [];
  for (let round = -WARM_UP_ROUNDS; round < TICKET_ROUNDS; round += 1) {
    const startedMs = performance.now();
    await stack.requestTicket(consoleId);
    if (round >= 0) {
      elapsed.push(performance.now() - startedMs);
    }
  }
  return figureOf(elapsed);
}

/** spicy-screenshot from its start to its picture, to QEMU itself and through the relay, in turn. */
async function measurePictures(
  stack: TestStack,
): Promise<{ pictureDirect: Figure; pictureThroughRelay: Figure }> {
  await using qemu = await startTestQemu();
  await qemu.waitForGraphics();
  const consoleId = await stack.createConsole("bench-picture", { port: qemu.port });
  const direct: number[] = [];
  const relayed: number[] = [];
  for (let round = 0; round < PICTURE_ROUNDS; round += 1) {
    const plain = await takeSpicyScreenshot({ port: qemu.port });
    const password = await stack.ticketText(await stack.requestTicket(consoleId));
    const { relayPort: tlsPort, caFile } = stack;
    const through = await takeSpicyScreenshot({ tlsPort, password, caFile });
    if (!plain.ok || !through.ok) {
      throw new Error("spicy-screenshot got no picture");
    }
    direct.push(plain.value.durationMs);
    relayed.push(through.value.durationMs);
  }
  return { pictureDirect: figureOf(direct), pictureThroughRelay: figureOf(relayed) };
}

const PROJECT_ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const START_ROUNDS = 5;
const WARM_UP_ROUNDS = 20;
const TICKET_ROUNDS = 300;
const PICTURE_ROUNDS = 15;
