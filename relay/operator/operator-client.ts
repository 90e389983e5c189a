/** Asks a running relay over its operator's socket. Failures are sentences for the operator. */
import { Client } from "undici";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { operatorSocketPath, type RelayStatus, relayStatusSchema } from "./relay-status.ts";

export type OperatorRequest =
  | { readonly method: "GET"; readonly path: "/status" }
  | { readonly method: "POST"; readonly path: "/drain"; readonly body: object }
  | { readonly method: "POST"; readonly path: "/resume" };

/** What the relay of a state folder answers: its status, after what was asked for. */
export async function askRelay(
  stateDir: string,
  asked: OperatorRequest,
): Promise<Result<RelayStatus, string>> {
  const socketPath = operatorSocketPath(stateDir);
  if (!socketPath.ok) {
    return socketPath;
  }
  const client = new Client("http://relay", {
    socketPath: socketPath.value,
    connect: { timeout: ANSWER_DEADLINE_MS },
    headersTimeout: ANSWER_DEADLINE_MS,
    bodyTimeout: ANSWER_DEADLINE_MS,
  });
  try {
    const { method, path } = asked;
    const body = "body" in asked ? JSON.stringify(asked.body) : null;
    const response = await client.request({ method, path, body });
    const answer: unknown = await response.body.json();
    const status = relayStatusSchema.safeParse(answer);
    return response.statusCode === 200 && status.success
      ? ok(status.data)
      : fail(`The relay of ${stateDir} answered ${response.statusCode}: is it of another version?`);
  } catch (error) {
    return fail(sayWhy(error as NodeJS.ErrnoException, stateDir));
  } finally {
    await client.destroy();
  }
}

function sayWhy(error: NodeJS.ErrnoException, stateDir: string): string {
  const { code = "", message } = error;
  if (NOBODY_LISTENS.has(code)) {
    return `No relay runs with the state folder ${stateDir}.`;
  }
  return code === "EACCES" || code === "EPERM"
    ? `${stateDir} belongs to another user: ask as the user that the relay runs as.`
    : `The relay of ${stateDir} cannot be asked: ${message}.`;
}

const NOBODY_LISTENS: ReadonlySet<string> = new Set([
  "ENOENT",
  "ENOTDIR",
  "ECONNREFUSED",
  "ECONNRESET",
  "UND_ERR_SOCKET",
]);
/** The relay is on this machine and answers at once. */
const ANSWER_DEADLINE_MS = 5_000;
