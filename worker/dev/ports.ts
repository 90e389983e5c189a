/** Ports of this machine: whether one is free, said in a sentence when it is not. */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { StartError } from "./state-folder.ts";

/** @throws {StartError} naming the flag to change, when nobody can listen on the port. */
export async function assertPortFree(options: {
  readonly port: number;
  readonly flag: string;
  readonly host?: string;
}): Promise<void> {
  const { port, flag, host = LOOPBACK } = options;
  const problem = await tryToListen(port, host);
  if (problem === "EADDRINUSE") {
    throw new StartError(
      `Port ${port} is in use: stop the program that has it, or choose another with ${flag}.`,
    );
  }
  if (problem === "EADDRNOTAVAIL") {
    throw new StartError(`This machine has no address ${host} to listen on.`);
  }
  if (problem !== null) {
    throw new StartError(`Port ${port} cannot be used (${problem}): choose another with ${flag}.`);
  }
}

/**
 * A port of the loopback that nobody listens on now. Below the ports that the kernel gives to
 * outgoing connections, so that no client takes it before, or between two lives of, its server.
 */
export async function findFreePort(): Promise<number> {
  for (let tries = 0; tries < PORT_TRIES_MAX; tries += 1) {
    const port = randomInt(PORT_MIN, PORT_MAX);
    if ((await tryToListen(port, LOOPBACK)) === null) {
      return port;
    }
  }
  throw new StartError(`no free port in ${PORT_TRIES_MAX} tries`);
}

/** Null when one can; else the system's code. */
async function tryToListen(port: number, host: string): Promise<string | null> {
  const server = createServer();
  const problem = await new Promise<string | null>((resolve) => {
    server.once("error", (error) => resolve("code" in error ? String(error.code) : error.message));
    server.listen({ port, host }, () => resolve(null));
  });
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  return problem;
}

const LOOPBACK = "127.0.0.1";
const PORT_MIN = 20_000;
const PORT_MAX = 32_000;
const PORT_TRIES_MAX = 50;
