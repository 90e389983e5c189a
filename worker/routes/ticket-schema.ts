/** What a request for a ticket answers, whoever makes it. */
import { z } from "@hono/zod-openapi";
import { timeSchema } from "./times.ts";

export const ticketSchema = z
  .object({ sessionId: z.string(), vvUrl: z.string(), expiresAt: timeSchema })
  .openapi("Ticket");
