/** Asks a running relay over its operator's socket. Failures are sentences for the operator. */
import { Client } from "undici";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { REQUEST_DEADLINE_MS } from "#shared/control/limits.ts";
import {
  operatorSocketPath,
  refusedSchema,
  type RelayStatus,
  relayStatusSchema,
} from "./relay-status.ts";

export type OperatorRequest =
  | { readonly method: "GET"; readonly path: "/status" }
  | { readonly method: "POST"; readonly path: "/drain"; readonly body: object }
  | { readonly method: "POST"; readonly path: "/resume" | "/rotate-key" };

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
    headersTimeout: asked.path === "/rotate-key" ? ROTATION_DEADLINE_MS : ANSWER_DEADLINE_MS,
    bodyTimeout: ANSWER_DEADLINE_MS,
  });
  try {
    const { method, path } = asked;
    const body = "body" in asked ? JSON.stringify(asked.body) : null;
    const response = await client.request({ method, path, body });
    const answer: unknown = await response.body.json();
    const status = relayStatusSchema.safeParse(answer);
    const refused = refusedSchema.safeParse(answer);
    if (response.statusCode === CONFLICT && refused.success) {
      return fail(refused.data.error);
    }
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
const CONFLICT = 409;
/** Two questions to the control plane, and what a busy one may take for each. */
const ROTATION_DEADLINE_MS = 3 * REQUEST_DEADLINE_MS;
/** The relay is on this machine and answers at once. */
const ANSWER_DEADLINE_MS = 5_000;
