/**
 * The channels of one report, pure: what opened, and what closed of the openings that an earlier
 * report told of. A channel that opened and closed within the report is one finished opening.
 */
import type {
  ChannelChanges,
  ChannelClosing,
  SessionChannel,
} from "../repositories/session-channels.ts";

export interface ChannelLedger extends ChannelChanges {
  readonly opened: SessionChannel[];
  readonly closed: ChannelClosing[];
}

export function openChannel(
  ledger: ChannelLedger,
  opening: Pick<
    SessionChannel,
    "sessionId" | "channel" | "channelId" | "clientAddress" | "openedAtMs"
  >,
): void {
  const { sessionId, channel, channelId, clientAddress, openedAtMs } = opening;
  ledger.opened.push({
    sessionId,
    channel,
    channelId,
    clientAddress,
    openedAtMs,
    closedAtMs: null,
    closeReason: null,
    clientBytes: 0,
    serverBytes: 0,
  });
}

export function closeChannel(ledger: ChannelLedger, closing: ChannelClosing): void {
  const { sessionId, channel, channelId, closedAtMs, closeReason } = closing;
  const { clientBytes, serverBytes } = closing;
  const facts = { closedAtMs, closeReason, clientBytes, serverBytes };
  const index = ledger.opened.findLastIndex(
    (opening) =>
      opening.sessionId === sessionId &&
      opening.channel === channel &&
      opening.channelId === channelId &&
      opening.closedAtMs === null,
  );
  const opening = ledger.opened[index];
  if (opening === undefined) {
    ledger.closed.push({ sessionId, channel, channelId, ...facts });
  } else {
    ledger.opened[index] = { ...opening, ...facts };
  }
}
