/**
 * What a socket carries through the hub's hibernation: enough to know it again. An attachment that
 * does not parse was written by another version; its socket is then nobody's and is closed.
 */
import { z } from "zod";
import { unreachable } from "#shared/base/assert.ts";
import { loadSchema } from "#shared/control/load.ts";
import type { HubLink } from "./hub-state.ts";

/** What to attach to the socket of this link; null when there is no link. */
export function attachmentOf(link: HubLink): LinkAttachment | null {
  switch (link.phase) {
    case "none":
      return null;
    case "awaiting-hello":
    case "greeting":
      return { phase: "awaiting-hello", linkId: link.linkId, deadlineMs: link.deadlineMs };
    case "linked": {
      const { storing: _storing, lookupsOpen: _lookupsOpen, ...kept } = link;
      return kept;
    }
    default:
      return unreachable(link);
  }
}

/** The link of a socket that outlived the hub's memory. What was under way is not. */
export function linkOf(attachment: LinkAttachment): HubLink {
  return attachment.phase === "linked"
    ? { ...attachment, storing: false, lookupsOpen: 0, requestsOpen: 0 }
    : attachment;
}

export function parseAttachment(attached: unknown): LinkAttachment | null {
  const parsed = attachmentSchema.safeParse(attached);
  return parsed.success ? parsed.data : null;
}

const writtenSchema = z.object({
  load: loadSchema,
  level: z.object({ level: z.int(), full: z.boolean() }),
  atMs: z.int(),
});

const attachmentSchema = z.discriminatedUnion("phase", [
  z.object({ phase: z.literal("awaiting-hello"), linkId: z.string(), deadlineMs: z.int() }),
  z.object({
    phase: z.literal("linked"),
    linkId: z.string(),
    version: z.int(),
    instanceId: z.string(),
    draining: z.boolean().default(false),
    ordered: z.boolean(),
    channelsMax: z.int().positive(),
    load: z.object({ load: loadSchema, written: writtenSchema.nullable() }).nullable(),
    heardAtMs: z.int(),
  }),
]);

export type LinkAttachment = z.infer<typeof attachmentSchema>;
