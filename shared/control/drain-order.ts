/**
 * The control plane's own drain of a relay. It is independent of the drain that the relay's operator
 * may have begun there: the relay takes no new session while either holds. It is a state and no
 * event: the welcome has it, and a push tells of a change.
 */
import { z } from "zod";

export const drainOrderSchema = z.object({
  /**
   * When living sessions end, in milliseconds since 1970 by the control plane's clock; null: they
   * go on as long as they like.
   */
  endsAtMs: z.int().nonnegative().nullable(),
});

export type DrainOrder = z.infer<typeof drainOrderSchema>;
