/** What a running relay tells its operator; the one schema of the operator's socket. */
import { join } from "node:path";
import { z } from "zod";
import { fail, ok, type Result } from "#shared/base/result.ts";

export const relayStatusSchema = z.object({
  relayId: z.string(),
  /** As it was enrolled; null of a relay that does not tell. */
  name: z.string().nullable().default(null),
  version: z.string(),
  pid: z.int(),
  status: z.enum(["serving", "draining", "stopping"]),
  /** The drain that was begun here; null: none. */
  drain: z
    .object({
      /** When living sessions end, in milliseconds since 1970. */
      endsAtMs: z.number(),
      /** Told by a signal: the process ends afterwards, and does not resume. */
      isEnding: z.boolean(),
    })
    .nullable()
    .default(null),
  /** The control plane's drain, and when it ends living sessions; null: none. */
  ordered: z.object({ endsAtMs: z.number().nullable() }).nullable().default(null),
  /** As bound; a port is null when it is not served. */
  ports: z
    .object({
      tls: z.int(),
      plain: z.int().nullable(),
      connect: z.int().nullable(),
      health: z.int().nullable(),
    })
    .nullable()
    .default(null),
  /** Of the key by which it proves itself; null of a relay that does not tell. */
  fingerprint: z.string().nullable().default(null),
  /** What clients are shown; null of a relay that does not tell. */
  certificate: z
    .object({
      /** Signed by the control plane, or the operator's own. */
      kind: z.enum(["issued", "own"]),
      /** Milliseconds since 1970. */
      endsAtMs: z.number(),
      /** Why it is not what it should be. */
      problem: z.string().nullable(),
    })
    .nullable()
    .default(null),
  /** Whether the control plane is linked. */
  linked: z.boolean(),
  /** The version of the contract that the link speaks; null without one. */
  controlVersion: z.int().nullable().default(null),
  /** Why there is no link, when it was refused. */
  refusal: z.object({ code: z.string(), detail: z.string() }).nullable().default(null),
  /** Denials that it knows, and how new the newest is. */
  denials: z.object({ count: z.int(), revision: z.int() }).nullable().default(null),
  sessions: z.int(),
  channels: z.int(),
  connections: z.int(),
  /** Empty: the relay's own process carries the connections. */
  workers: z.array(
    z.object({
      name: z.string(),
      pid: z.int().nullable(),
      isReady: z.boolean(),
      connections: z.int(),
    }),
  ),
});

export type RelayStatus = z.infer<typeof relayStatusSchema>;

/** Why the relay did not do what it was asked for. */
export const refusedSchema = z.object({ error: z.string() });

export const drainRequestSchema = z.strictObject({
  /** How long living sessions may go on. */
  deadlineSeconds: z.int().min(0).max(86_400),
});

/** Longest deadline of a drain: whoever wants to wait for longer does not mean to drain. */
export const DRAIN_SECONDS_MAX = 86_400;

/** Where a relay's socket is; a failure says why it can have none. */
export function operatorSocketPath(stateDir: string): Result<string, string> {
  const path = join(stateDir, SOCKET_FILE);
  return Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX
    ? ok(path)
    : fail(
        `${path} is longer than the ${SOCKET_PATH_BYTES_MAX} bytes that a socket's path may have: ` +
          "use a state folder with a shorter name.",
      );
}

const SOCKET_FILE = "operator.sock";
/** unix(7): sun_path has 108 bytes with its NUL. */
const SOCKET_PATH_BYTES_MAX = 107;
