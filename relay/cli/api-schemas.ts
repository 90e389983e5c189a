/** The parts of the API's answers that the commands use; other fields pass through unread. */
import { z } from "zod";

const named = z.looseObject({ id: z.string(), name: z.string() });

export const consoleSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  source: z.string(),
});

export type ConsoleItem = z.infer<typeof consoleSchema>;

export const ticketSchema = z.object({
  sessionId: z.string(),
  vvUrl: z.string(),
  expiresAt: z.string(),
});

export const sessionSchema = z.looseObject({
  id: z.string(),
  state: z.string(),
  console: named,
  /** Null: somebody else's, of a console that the caller owns. */
  user: z.looseObject({ username: z.string() }).nullable(),
  /** The link by which a guest opened it. */
  share: z.looseObject({ label: z.string().nullable() }).nullish(),
  relay: named.nullable(),
  createdAt: z.string(),
  endReason: z.string().nullable(),
  endDetail: z.string().nullish(),
  refusedCode: z.string().nullish(),
});

export type SessionItem = z.infer<typeof sessionSchema>;

export const terminationSchema = z.object({ state: z.string() });

export const joinTokenSchema = z.object({ token: z.string(), expiresAt: z.string() });
