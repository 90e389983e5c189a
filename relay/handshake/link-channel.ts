/**
 * One client connection, from its first byte to its last: its link, and then the channel. Promises
 * that an admitted channel ends exactly once, that both streams are destroyed in the end, and that
 * nothing of the handshake stays in memory while the channel lives.
 */
import type { Duplex } from "node:stream";
import type { ChannelName } from "#shared/spice/channel-names.ts";
import type { ClientConnection } from "../listen/client-connection.ts";
import type { FirewallJudgement } from "../pump/firewall.ts";
import { runChannel, type TrafficTotals } from "../pump/run-channel.ts";
import type { StallWatch } from "../pump/stall-watch.ts";
import type { ChannelEnd } from "../sessions/ports.ts";
import {
  linkConnection,
  type LinkedChannel,
  type LinkRunDependencies,
  type LinkRunObserver,
} from "./link-run.ts";

/** Told of each connection's link, and of what the firewall finds; must neither throw nor wait. */
export interface LinkObserver extends LinkRunObserver {
  firewallFound(channel: ChannelName, judgement: FirewallJudgement): void;
}

export interface LinkDependencies extends LinkRunDependencies {
  readonly observer: LinkObserver;
  readonly traffic: TrafficTotals;
  readonly stalls: StallWatch;
}

/** Carries one connection to its end. Rejects only for a bug of ours, the stream destroyed. */
export async function carryConnection(
  connection: ClientConnection,
  dependencies: LinkDependencies,
): Promise<void> {
  const { stream, way } = connection;
  // Why: whoever listens to the stream comes and goes; an error must never find nobody.
  stream.on("error", ignoreError);
  const client = { stream, splitsLastMessage: way !== "websocket" };
  // Not awaited here, because this frame holds the connection's clue, which may be a ticket.
  return carryClient(client, linkConnection(connection, dependencies), dependencies);
}

interface ClientSide {
  readonly stream: Duplex;
  /** See the pump: native clients read TLS records, browsers read WebSocket frames. */
  readonly splitsLastMessage: boolean;
}

async function carryClient(
  client: ClientSide,
  linking: Promise<LinkedChannel | null>,
  dependencies: LinkDependencies,
): Promise<void> {
  try {
    const linked = await linking;
    if (linked !== null) {
      await carryLinked(client, linked, dependencies);
    }
  } finally {
    client.stream.destroy();
  }
}

async function carryLinked(
  client: ClientSide,
  { admitted, channel, headerKind, server }: LinkedChannel,
  { limits, stalls, traffic, observer, nowMs }: LinkDependencies,
): Promise<void> {
  let end: ChannelEnd = BUG;
  try {
    end = await runChannel({
      client: client.stream,
      server,
      channel,
      headerKind,
      firewall: admitted.firewall,
      signal: admitted.signal,
      endLingerMs: limits.endLingerMs,
      stalls,
      nowMs,
      splitsLastMessage: client.splitsLastMessage,
      onConnectionId: (connectionId) => {
        admitted.learnConnectionId(connectionId);
      },
      onActivity: () => {
        admitted.touch();
      },
      onFinding: (judgement) => {
        observer.firewallFound(channel, judgement);
      },
      traffic,
    });
  } finally {
    server.destroy();
    admitted.end(end);
  }
}

function ignoreError(): void {
  // The 'close' that follows is what everyone waits for.
}

const BUG: ChannelEnd = {
  by: "relay",
  code: "internal.error",
  detail: "a bug",
  clientBytes: 0,
  serverBytes: 0,
};
