/** What a session may do. Travels inside the grant; judged at the relay. */
import { z } from "zod";
import { CHANNEL_NAMES, type ChannelName } from "#shared/spice/channel-names.ts";

export const policySchema = z.strictObject({
  /** Channel types that the session may open; null permits every type. */
  channels: z.array(z.enum(CHANNEL_NAMES)).min(1).nullable(),
});

export type Policy = z.infer<typeof policySchema>;

/** Everything that SPICE has: what a console's owner expects when nobody configured anything. */
export const DEFAULT_POLICY: Policy = { channels: null };

/** Whether a session under `policy` may open a channel of this type. */
export function permitsChannel(policy: Policy, channel: ChannelName): boolean {
  return policy.channels === null || policy.channels.includes(channel);
}
