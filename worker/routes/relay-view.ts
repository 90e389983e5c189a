/** A relay as the API shows it. */
import { z } from "@hono/zod-openapi";
import { RELAY_CLOCK_SKEW_SECONDS } from "#shared/control/limits.ts";
import { LOAD_LEVEL_MAX, loadSchema } from "#shared/control/load.ts";
import type { LinkReport } from "../services/context.ts";
import type { pageRelays } from "../services/relays.ts";
import { formatOptionalTime, formatTime, timeSchema } from "./times.ts";

const loadView = z.object(loadSchema.shape).openapi("RelayLoad");

export const relaySchema = z
  .object({
    id: z.string(),
    name: z.string(),
    site: z.object({ id: z.string(), name: z.string() }),
    state: z.enum(["offline", "online"]),
    serving: z.boolean().openapi({
      description: "It gets new sessions: online, not disabled, and nobody drains it.",
    }),
    draining: z.boolean().openapi({
      description: "Its operator drains it, or it is stopping; as it said last.",
    }),
    drain: z.object({ endsAt: timeSchema.nullable() }).nullable().openapi({
      description:
        "The drain that was ordered here, and when it ends living sessions; null: there is none.",
    }),
    disabled: z.boolean(),
    host: z.string().openapi({ description: "Where SPICE clients reach it." }),
    tlsPort: z.int(),
    connectPort: z.int().nullable().openapi({ description: "Where it takes HTTP CONNECT." }),
    hostSubject: z.string(),
    build: z.string().nullable(),
    controlVersion: z
      .int()
      .nullable()
      .openapi({ description: "The version of the contract that its last welcome agreed on." }),
    channelsMax: z.int().nullable(),
    load: z
      .object({
        level: z
          .int()
          .openapi({ description: `Tenths of what it can carry: 0 to ${LOAD_LEVEL_MAX}.` }),
        full: z.boolean(),
        at: timeSchema,
      })
      .nullable()
      .openapi({ description: "What placement goes by; null: it has not said." }),
    clockSkewMs: z.int().nullable().openapi({
      description: "How far its clock was ahead as it came; null: it did not say.",
    }),
    clockOff: z.boolean().openapi({
      description: `Its clock was off by more than ${RELAY_CLOCK_SKEW_SECONDS} s.`,
    }),
    enrolledAt: timeSchema,
    lastSeenAt: timeSchema.nullable().openapi({ description: "Its last coming or going." }),
  })
  .openapi("Relay");

export const relayHealthSchema = relaySchema
  .extend({
    link: z
      .object({
        linked: z.boolean(),
        heardAt: timeSchema.nullable().openapi({ description: "Heartbeats included." }),
        load: loadView.nullable(),
        waiting: z.int().openapi({ description: "Orders and grants that it has not taken yet." }),
      })
      .nullable()
      .openapi({ description: "What its hub knows at this moment; null: it did not answer." }),
    lastErrors: z
      .array(z.object({ at: timeSchema, code: z.string(), detail: z.string() }))
      .openapi({ description: "Why it was refused or lost, the newest first." }),
  })
  .openapi("RelayHealth");

type RelayView = Awaited<ReturnType<typeof pageRelays>>["items"][number];

export function formatRelay(row: RelayView): z.infer<typeof relaySchema> {
  const { drainOrdered, drainEndsAtMs, disabledAtMs, clockSkewMs, loadAtMs, loadLevel } = row;
  const disabled = disabledAtMs !== null;
  return {
    id: row.id,
    name: row.name,
    site: { id: row.siteId, name: row.siteName },
    state: row.state,
    serving: row.state === "online" && !disabled && !row.draining && !drainOrdered,
    draining: row.draining,
    drain: drainOrdered ? { endsAt: formatOptionalTime(drainEndsAtMs) } : null,
    disabled,
    host: row.host,
    tlsPort: row.tlsPort,
    connectPort: row.connectPort,
    hostSubject: row.hostSubject,
    build: row.build,
    controlVersion: row.controlVersion,
    channelsMax: row.channelsMax,
    load:
      loadAtMs === null || loadLevel === null
        ? null
        : { level: loadLevel, full: row.isFull, at: formatTime(loadAtMs) },
    clockSkewMs,
    clockOff: Math.abs(clockSkewMs ?? 0) > RELAY_CLOCK_SKEW_SECONDS * 1000,
    enrolledAt: formatTime(row.enrolledAtMs),
    lastSeenAt: formatOptionalTime(row.lastSeenAtMs),
  };
}

export function formatHealth(health: {
  readonly relay: RelayView;
  readonly link: LinkReport | null;
}): z.infer<typeof relayHealthSchema> {
  const { relay, link } = health;
  const errors = errorsSchema.parse(JSON.parse(relay.lastErrors)).reverse();
  return {
    ...formatRelay(relay),
    link:
      link === null
        ? null
        : {
            linked: link.linked,
            heardAt: formatOptionalTime(link.heardAtMs),
            load: link.load,
            waiting: link.waiting,
          },
    lastErrors: errors.map(({ atMs, code, detail }) => ({ at: formatTime(atMs), code, detail })),
  };
}

/** As repositories/relay-presence.ts keeps them. */
const errorsSchema = z.array(z.object({ atMs: z.int(), code: z.string(), detail: z.string() }));
