/** Turns what sessions and links tell into log lines and metrics, in one place. */
import type { Failure } from "#shared/errors/catalogue.ts";
import type { LinkObserver } from "../handshake/link-channel.ts";
import type { SessionObserver } from "../sessions/observer.ts";
import { type Log, LOG_LINES } from "./log.ts";
import type { Metrics } from "./metrics.ts";

/** The sessions' and the links' observer, over one log and one set of metrics. */
export function createObserver(log: Log, metrics: Metrics): SessionObserver & LinkObserver {
  return {
    linked(durationMs) {
      metrics.links.inc({ code: "linked" });
      metrics.linkSeconds.observe(durationMs / 1000);
    },
    linkFailed(failure: Failure, clientAddress) {
      metrics.links.inc({ code: failure.code });
      const outcome = failure.code;
      // At debug: refusals have their own lines, and strangers must not be able to fill the log.
      const { detail } = failure;
      log.debug({ outcome, detail, clientAddress }, LOG_LINES.connectionRefused);
    },
    ticketRefused(reason, channel, clientAddress) {
      metrics.ticketsRefused.inc({ reason });
      log.info({ outcome: reason, channel, clientAddress }, LOG_LINES.ticketRefused);
    },
    channelRefused(code, channel, clientAddress) {
      metrics.channelsRefused.inc({ code });
      log.info({ outcome: code, channel, clientAddress }, LOG_LINES.channelRefused);
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
    sessionEnded(summary) {
      const { reason, ...rest } = summary;
      metrics.sessionsEnded.inc({ reason });
      log.info({ outcome: reason, ...rest }, LOG_LINES.sessionEnded);
    },
  };
}
