/** Turns what links and the firewall tell into log lines and metrics, where connections are carried. */
import type { LinkObserver } from "../handshake/link-channel.ts";
import type { CarrierMetrics } from "./carrier-metrics.ts";
import { type LineLog, LOG_LINES } from "./log.ts";

export interface LinkObserverOptions {
  readonly log: LineLog;
  readonly metrics: CarrierMetrics;
  /** Both legs of this connection are linked. */
  readonly onLinked: (ref: string) => void;
}

/** The links' observer. */
export function createLinkObserver({ log, metrics, onLinked }: LinkObserverOptions): LinkObserver {
  return {
    linked({ ref, way }, durationMs) {
      metrics.links.inc({ code: "linked", way });
      metrics.linkSeconds.observe(durationMs / 1000);
      onLinked(ref);
    },
    linkFailed({ code, detail }, { way, clientAddress }) {
      metrics.links.inc({ code, way });
      // At debug: refusals have their own lines, and strangers must not be able to fill the log.
      log.debug({ outcome: code, detail, way, clientAddress }, LOG_LINES.connectionRefused);
    },
    firewallFound(channel, { direction, rule, action }) {
      metrics.firewallFindings.inc({ channel, direction, rule, action });
    },
  };
}
