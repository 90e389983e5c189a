/** A session as the API tells it. */
import { z } from "@hono/zod-openapi";
import { CHANNEL_NAMES } from "#shared/spice/channel-names.ts";
import type { SessionDetail } from "../services/sessions.ts";
import { formatOptionalTime, formatTime, timeSchema } from "./times.ts";

const named = z.object({ id: z.string(), name: z.string() });

export const sessionSchema = z
  .object({
    id: z.string(),
    state: z.enum(["pending", "active", "ended"]),
    console: named,
    user: z
      .object({ id: z.string(), username: z.string() })
      .nullable()
      .openapi({ description: "Null for somebody else's session of a console that you own." }),
    share: z
      .object({ id: z.string(), label: z.string().nullable() })
      .nullable()
      .openapi({ description: "The link of the user's through which a guest opened it." }),
    relay: named.nullable(),
    clientAddress: z.string().nullable(),
    createdAt: timeSchema,
    openedAt: timeSchema.nullable(),
    endedAt: timeSchema.nullable(),
    endReason: z.string().nullable(),
    endDetail: z
      .string()
      .nullable()
      .openapi({ description: "For who may read everybody's sessions; null for others." }),
    refusedCode: z
      .string()
      .nullable()
      .openapi({
        description:
          "Why its relay refused its main channel last, or why it had to end as soon as it was " +
          "open: a code; null when neither was so.",
      }),
    clientBytes: z.int().openapi({ description: "Bytes from the client." }),
    serverBytes: z.int().openapi({ description: "Bytes from the console." }),
    endRequest: z
      .object({
        at: timeSchema,
        user: z.object({ id: z.string(), username: z.string().nullable() }),
      })
      .nullable()
      .openapi({ description: "Who asked last for its end; null when nobody did." }),
  })
  .openapi("Session");

const channelSchema = z
  .object({
    channel: z.enum(CHANNEL_NAMES),
    channelId: z.int(),
    clientAddress: z.string().nullable(),
    openedAt: timeSchema,
    closedAt: timeSchema.nullable().openapi({ description: "Null while it is open." }),
    closeReason: z.string().nullable(),
    clientBytes: z.int().openapi({ description: "Bytes from the client, once it is closed." }),
    serverBytes: z.int().openapi({ description: "Bytes from the console, once it is closed." }),
  })
  .openapi("SessionChannel");

export const sessionDetailSchema = sessionSchema
  .extend({
    channels: z
      .array(channelSchema)
      .openapi({ description: "Each time that a channel was opened, in order." }),
  })
  .openapi("SessionDetail");

type SessionView = SessionDetail["session"];

export function formatSession(row: SessionView): z.infer<typeof sessionSchema> {
  const { relayId, relayName, endRequestedBy, endRequesterName, endRequestedAtMs } = row;
  return {
    id: row.id,
    state: row.state,
    console: { id: row.consoleId, name: row.consoleName },
    user: row.user,
    share: row.shareId === null ? null : { id: row.shareId, label: row.shareLabel },
    relay: relayId === null || relayName === null ? null : { id: relayId, name: relayName },
    clientAddress: row.clientAddress,
    createdAt: formatTime(row.createdAtMs),
    openedAt: formatOptionalTime(row.openedAtMs),
    endedAt: formatOptionalTime(row.endedAtMs),
    endReason: row.endReason,
    endDetail: row.endDetail,
    refusedCode: row.refusedCode,
    clientBytes: row.clientBytes,
    serverBytes: row.serverBytes,
    endRequest:
      endRequestedBy === null || endRequestedAtMs === null
        ? null
        : {
            at: formatTime(endRequestedAtMs),
            user: { id: endRequestedBy, username: endRequesterName },
          },
  };
}

export function formatSessionDetail(detail: SessionDetail): z.infer<typeof sessionDetailSchema> {
  const channels = detail.channels.map((channel) => ({
    channel: channel.channel,
    channelId: channel.channelId,
    clientAddress: channel.clientAddress,
    openedAt: formatTime(channel.openedAtMs),
    closedAt: formatOptionalTime(channel.closedAtMs),
    closeReason: channel.closeReason,
    clientBytes: channel.clientBytes,
    serverBytes: channel.serverBytes,
  }));
  return { ...formatSession(detail.session), channels };
}
