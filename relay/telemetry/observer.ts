/** Turns what sessions tell into log lines and metrics, in one place. */
import type { SessionObserver } from "../sessions/observer.ts";
import { type Log, LOG_LINES } from "./log.ts";
import type { Metrics } from "./metrics.ts";

/** The sessions' observer, over one log and one set of metrics. */
export function createObserver(log: Log, metrics: Metrics): SessionObserver {
  return {
    ticketRefused(reason, channel, clientAddress, count) {
      metrics.ticketsRefused.inc({ reason }, count);
      log.info({ outcome: reason, channel, clientAddress, count }, LOG_LINES.ticketRefused);
    },
    channelRefused(code, channel, refused) {
      metrics.channelsRefused.inc({ code }, refused.count);
      log.info({ outcome: code, channel, ...refused }, LOG_LINES.channelRefused);
    },
    channelOpened(channel) {
      metrics.channelsOpened.inc({ channel });
      metrics.channelsOpen.inc({ channel });
    },
    channelEnded(summary) {
      const { channel, code, opened, ...rest } = summary;
      if (opened) {
        metrics.channelsOpen.dec({ channel });
        metrics.channelsClosed.inc({ channel, code });
      } else {
        metrics.channelsRefused.inc({ code });
      }
      log.info({ outcome: code, channel, opened, ...rest }, LOG_LINES.channelEnded);
    },
    channelFirewall(summary) {
      log.warn({ ...summary }, LOG_LINES.channelFirewall);
    },
    sessionEnded(summary) {
      const { reason, ...rest } = summary;
      metrics.sessionsEnded.inc({ reason });
      log.info({ outcome: reason, ...rest }, LOG_LINES.sessionEnded);
    },
  };
}
