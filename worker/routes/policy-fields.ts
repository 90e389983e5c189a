/** What several answers say of a policy. */
import { z } from "@hono/zod-openapi";
import { ENFORCEMENTS } from "#shared/policy/enforcement.ts";

export const warningsSchema = z
  .array(z.object({ rule: z.enum(ENFORCEMENTS), message: z.string() }))
  .openapi({
    description: "Rules that no relay that is online can enforce: their sessions get no ticket.",
  });
