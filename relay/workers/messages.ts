/**
 * What the control process and a worker process say to each other. A worker trusts its control
 * process, which made it; what a worker says is checked, because hostile bytes are parsed there.
 *
 *     control process                                  worker process
 *       ├─ configure (identity, limits, origins) ──►│
 *       │◄────────────────────────────────── ready ─┤   then a heartbeat each second
 *       ├─ connection (ref, kind) + socket ────────►│   TLS, HTTP, link
 *       │◄───────────────────── foresee, admit ─────┤
 *       ├─ foreseen, admitted or refused ──────────►│   dials, links, pumps
 *       │◄── linked, learned, opened, touched ──────┤
 *       ├─ end-channel ────────────────────────────►│
 *       │◄──────────────────────── ended, closed ───┤
 *
 * Nothing here is said once a SPICE message.
 */
import { z } from "zod";
import { FIREWALL_FINDINGS_MAX, firewallFindingSchema } from "#shared/audit/events.ts";
import type { Result } from "#shared/base/result.ts";
import { ERRORS } from "#shared/errors/catalogue.ts";
import { CHANNEL_NAMES } from "#shared/spice/channel-names.ts";
import type { DataPlaneLimits } from "../limits.ts";
import type { Origin } from "../listen/arrival.ts";
import type { PortKind } from "../listen/client-ports.ts";
import type { TlsIdentity } from "../listen/tls-settings.ts";
import type {
  AdmittedChannel,
  ChannelEnd,
  ForeseenSession,
  Refusal,
  SessionStop,
} from "../sessions/ports.ts";

/** An admitted channel without its functions. */
export type AdmittedFacts = Pick<
  AdmittedChannel,
  "sessionId" | "channelRef" | "target" | "firewall"
>;

export interface WorkerConfiguration {
  readonly tls: TlsIdentity;
  readonly limits: DataPlaneLimits;
  readonly webOrigins: readonly string[];
  /** Lines below it are not sent. */
  readonly logLevel: string;
}

export type ControlMessage =
  | { readonly type: "configure"; readonly configuration: WorkerConfiguration }
  /** Comes with the socket. */
  | ({ readonly type: "connection"; readonly kind: PortKind } & Origin)
  | {
      readonly type: "foreseen";
      readonly requestId: number;
      readonly result: Result<ForeseenSession | null, Refusal>;
    }
  | { readonly type: "admitted"; readonly requestId: number; readonly channel: AdmittedFacts }
  | { readonly type: "refused"; readonly requestId: number; readonly refusal: Refusal }
  | { readonly type: "end-channel"; readonly channelRef: string; readonly end: ChannelEnd }
  | { readonly type: "replace-identity"; readonly tls: TlsIdentity }
  | { readonly type: "web-origins"; readonly origins: readonly string[] }
  | { readonly type: "collect-metrics"; readonly requestId: number }
  /** Links that were not admitted end at once; admitted channels are ended one by one. */
  | { readonly type: "stop" };

const text = z.string().max(1024);
const count = z.int().nonnegative();
const requestId = count;
const ref = z.string().min(1).max(64);
/** A SPICE password, or what a client sent in its place: 128 bytes of RSA hold no more. */
const password = z.string().max(512);

const STOPS: Readonly<Record<SessionStop, true>> = {
  terminated: true,
  "taken-over": true,
  idle: true,
  "duration-exceeded": true,
  "outside-hours": true,
  "control-lost": true,
  drained: true,
};

const endCode = z.custom<ChannelEnd["code"]>(
  (value) =>
    typeof value === "string" &&
    (value === "closed" || Object.hasOwn(STOPS, value) || Object.hasOwn(ERRORS, value)),
);

const channelEndSchema = z.object({
  by: z.enum(["client", "server", "relay"]),
  code: endCode,
  // Cut, not refused: it may quote a server's own words.
  detail: z.string().transform((value) => value.slice(0, 1024)),
  clientBytes: count,
  serverBytes: count,
  findings: z.array(firewallFindingSchema).max(FIREWALL_FINDINGS_MAX).optional(),
});

const clueSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("label"), label: text }),
  z.object({ kind: z.literal("token"), token: text }),
  z.object({ kind: z.literal("connection-id"), connectionId: z.int().min(0).max(0xffff_ffff) }),
]);

const presentedSchema = z.object({
  password,
  connectionId: z.int().min(0).max(0xffff_ffff),
  channel: z.enum(CHANNEL_NAMES),
  channelId: z.int().min(0).max(0xff),
  clientAddress: z.string().max(64),
});

/** As prom-client gives it; its own aggregation reads it. */
const metricSchema = z.looseObject({
  name: z.string(),
  type: z.string(),
  values: z.array(z.looseObject({})),
});

/** What a worker has used since it began (telemetry/load-meter.ts). */
const usageSchema = z.object({
  bytes: count,
  cpuMicros: count,
  loopDelayMs: z.number().nonnegative(),
});

const workerMessageSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ready") }),
  z.object({ type: z.literal("heartbeat"), usage: usageSchema }),
  z.object({
    type: z.literal("foresee"),
    requestId,
    clue: clueSchema,
    from: presentedSchema.pick({ channel: true, clientAddress: true }).optional(),
  }),
  z.object({ type: z.literal("admit"), requestId, presented: presentedSchema }),
  z.object({
    type: z.literal("learned"),
    channelRef: ref,
    connectionId: z.int().min(0).max(0xffff_ffff),
  }),
  z.object({ type: z.literal("opened"), channelRef: ref }),
  /** Channels on which something flowed since the last one. */
  z.object({ type: z.literal("touched"), channelRefs: z.array(ref) }),
  z.object({ type: z.literal("ended"), channelRef: ref, end: channelEndSchema }),
  z.object({ type: z.literal("linked"), ref }),
  z.object({ type: z.literal("closed"), ref }),
  z.object({ type: z.literal("metrics"), requestId, metrics: z.array(metricSchema) }),
  z.object({
    type: z.literal("log"),
    level: z.enum(["debug", "info", "warn", "error"]),
    name: text,
    fields: z.record(z.string(), z.unknown()),
  }),
]);

export type WorkerMessage = z.infer<typeof workerMessageSchema>;

/** Reads what a worker said; null when no worker of ours would say it. */
export function parseWorkerMessage(message: unknown): WorkerMessage | null {
  const parsed = workerMessageSchema.safeParse(message);
  return parsed.success ? parsed.data : null;
}

/** The end of channels whose worker is gone. */
export function endOfChannels(
  code: "relay.stopping" | "relay.worker-lost",
  detail: string,
): ChannelEnd {
  return { by: "relay", code, detail, clientBytes: 0, serverBytes: 0 };
}
