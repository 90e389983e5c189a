/** The channels that sessions had open, as their relays reported them. */
import { and, asc, eq, isNull } from "drizzle-orm";
import type { Database, Transaction } from "./database.ts";
import { sessionChannels } from "./schema/sessions.ts";

export type SessionChannel = typeof sessionChannels.$inferSelect;

/** A channel that was opened before this report, and is closed by it. */
export type ChannelClosing = Pick<SessionChannel, "sessionId" | "channel" | "channelId"> & {
  readonly closedAtMs: number;
  readonly closeReason: string;
  readonly clientBytes: number;
  readonly serverBytes: number;
};

export interface ChannelChanges {
  readonly opened: readonly SessionChannel[];
  readonly closed: readonly ChannelClosing[];
}

/** The channels of one session in the order of their opening. */
export async function listSessionChannels(
  database: Database,
  sessionId: string,
): Promise<SessionChannel[]> {
  return await database
    .select()
    .from(sessionChannels)
    .where(eq(sessionChannels.sessionId, sessionId))
    .orderBy(
      asc(sessionChannels.openedAtMs),
      asc(sessionChannels.channel),
      asc(sessionChannels.channelId),
    )
    .limit(CHANNELS_SHOWN_MAX);
}

/**
 * Stores what became of channels. Closings come first, because they are about openings that are
 * stored already; a channel that opened and closed within one report comes as one opening.
 */
export async function storeChannelChanges(
  transaction: Transaction,
  changes: ChannelChanges,
): Promise<void> {
  const { opened, closed } = changes;
  // All asked at once, so that they share a round trip.
  await Promise.all(closed.map(async (closing) => await closeChannel(transaction, closing)));
  if (opened.length > 0) {
    await transaction
      .insert(sessionChannels)
      .values([...opened])
      .onConflictDoNothing();
  }
}

async function closeChannel(transaction: Transaction, closing: ChannelClosing): Promise<void> {
  const { sessionId, channel, channelId, ...facts } = closing;
  await transaction
    .update(sessionChannels)
    .set(facts)
    .where(
      and(
        eq(sessionChannels.sessionId, sessionId),
        eq(sessionChannels.channel, channel),
        eq(sessionChannels.channelId, channelId),
        isNull(sessionChannels.closedAtMs),
      ),
    );
}

/** A session has some ten channels; one that reconnects all day has more than anybody reads. */
const CHANNELS_SHOWN_MAX = 500;
