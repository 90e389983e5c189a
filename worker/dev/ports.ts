/** Ports of this machine: whether one is free, said in a sentence when it is not. */
import { createServer } from "node:net";
import { StartError } from "./state-folder.ts";

/** @throws {StartError} naming the flag to change, when nobody can listen on the port. */
export async function assertPortFree(options: {
  readonly port: number;
  readonly flag: string;
}): Promise<void> {
  const { port, flag } = options;
  const server = createServer();
  const problem = await new Promise<string | null>((resolve) => {
    server.once("error", (error) => resolve("code" in error ? String(error.code) : error.message));
    server.listen({ port, host: "127.0.0.1" }, () => resolve(null));
  });
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  if (problem === "EADDRINUSE") {
    throw new StartError(
      `Port ${port} is in use: stop the program that has it, or choose another with ${flag}.`,
    );
  }
  if (problem !== null) {
    throw new StartError(`Port ${port} cannot be used (${problem}): choose another with ${flag}.`);
  }
}
