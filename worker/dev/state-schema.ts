/** What `npm start` remembers besides the database: the content of state.json. */
import { z } from "zod";

export const stateSchema = z.strictObject({
  version: z.literal(1),
  /** Where the demo console listens: kept, so that the console stays the same over restarts. */
  demoConsoleId: z.string().nullable(),
});

export type State = z.infer<typeof stateSchema>;
