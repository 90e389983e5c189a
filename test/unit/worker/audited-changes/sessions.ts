/** Changes of tickets, sessions and links, and what the audit trail tells of them. */
import { sql } from "drizzle-orm";
import { fetchConsoleFile } from "../../../../worker/services/console-files.ts";
import { expireSessions, OPENING_GRACE_MS } from "../../../../worker/services/unopened-sessions.ts";
import { storeRelayEvents } from "../../../../worker/services/relay-events.ts";
import { endSessionsOfLostRelay } from "../../../../worker/services/relay-presence.ts";
import { terminateSession } from "../../../../worker/services/terminate-sessions.ts";
import { openShare } from "../../../../worker/services/open-share.ts";
import { issueShare, revokeShare } from "../../../../worker/services/shares.ts";
import { TICKET_TTL_MS } from "../../../../worker/services/ticket-life.ts";
import { issueTicket } from "../../../../worker/services/tickets.ts";
import { type Scene } from "../audit-scene.ts";
import type { RelayEvent } from "#shared/control/contract.ts";
import { makeAttachedPolicy } from "./consoles.ts";
import { type Changes, setState } from "./change.ts";

export const SESSIONS_CHANGES: Changes = {
  "a new link": {
    tells: ["share.created"],
    make: ({ context, admin, consoleId }) =>
      issueShare(context, admin, { consoleId, expiresInS: 60, usesMax: 1 }),
  },
  "an opened link": {
    tells: ["share.opened", "ticket.issued"],
    make: ({ context, admin, shareToken: token }) =>
      openShare(context, admin, { token, way: "tls" }),
  },
  "a revoked link": {
    tells: ["share.revoked"],
    make: ({ context, admin, shareId: id }) =>
      revokeShare(context, admin, { id, endSessions: false }),
  },
  "a ticket": {
    tells: ["ticket.issued"],
    make: ({ context, admin, consoleId }) => issueTicket(context, admin, consoleId),
  },
  "a session without a relay": {
    tells: ["session.failed"],
    before: async (scene) => await setState(scene, "offline", "pending"),
    make: ({ context, admin, consoleId }) => issueTicket(context, admin, consoleId),
  },
  "a ticket within a limit": {
    tells: ["ticket.issued"],
    before: async (scene) => {
      await makeAttachedPolicy(scene);
      await setState(scene, "online", "ended");
    },
    make: ({ context, admin, consoleId }) => issueTicket(context, admin, consoleId),
  },
  "a ticket beyond a limit": {
    tells: ["ticket.denied"],
    before: makeAttachedPolicy,
    make: ({ context, admin, consoleId }) => issueTicket(context, admin, consoleId),
  },
  "a fetched console file": {
    tells: ["ticket.downloaded"],
    make: ({ context, admin, fileToken }) => fetchConsoleFile(context, admin, fileToken),
  },
  "a termination": {
    tells: ["session.terminate-requested"],
    also: ["session.ended"],
    make: ({ context, admin, sessionId }) => terminateSession(context, admin, sessionId),
  },
  "the end of a session that was terminated unopened": {
    tells: ["session.ended"],
    also: ["session.terminate-requested"],
    looksAt: "SELECT state, end_reason FROM sessions",
    make: ({ context, admin, sessionId }) => terminateSession(context, admin, sessionId),
  },
  "the sessions of a lost relay": {
    tells: ["session.ended"],
    before: async (scene) => await setState(scene, "offline", "active"),
    make: ({ context, relayId }) => endSessionsOfLostRelay(context, relayId),
  },
  "sessions that nobody opened": {
    tells: ["session.ended"],
    before: ({ services }) => services.moveClock(TICKET_TTL_MS + OPENING_GRACE_MS),
    make: ({ context, relayId }) => expireSessions(context, relayId),
  },
  "a relay's events": {
    tells: ["session.opened"],
    make: ({ context, relayId, sessionId }) =>
      storeRelayEvents(context, relayId, "stream", [
        {
          seq: 1,
          atMs: 1,
          event: { type: "session.opened", sessionId, clientAddress: "192.0.2.1" },
        },
      ]),
  },
  "a link revoked with its sessions": {
    tells: ["share.revoked", "denial.added"],
    make: ({ context, admin, shareId: id }) =>
      revokeShare(context, admin, { id, endSessions: true }),
  },
  "a ticket that no relay takes": {
    tells: ["ticket.withdrawn"],
    also: ["ticket.issued", "session.failed"],
    looksAt: "SELECT count(*) FROM tickets WHERE withdrawn_at_ms IS NOT NULL",
    before: ({ services, relayId }) =>
      services.answerPushes(relayId, { code: "control.offline", detail: "away" }),
    make: ({ context, admin, consoleId }) => issueTicket(context, admin, consoleId),
  },
  "a session's whole life in one report": {
    tells: [
      "session.opened",
      "channel.opened",
      "channel.firewall",
      "channel.closed",
      "channel.refused",
      "ticket.refused",
      "session.ended",
    ],
    make: async (scene) => await reportLife(scene),
  },
  "a session that goes on after all": {
    tells: ["session.resumed"],
    before: async (scene) => {
      await setState(scene, "offline", "active");
      await endSessionsOfLostRelay(scene.context, scene.relayId);
    },
    make: async (scene) =>
      await report(scene, [{ type: "relay.snapshot", sessionIds: [scene.sessionId] }]),
  },
  "a session that gives way": {
    tells: ["session.opened", "session.superseded"],
    before: async ({ services, context, consoleId }) => {
      const other = await services.makeRelay("second");
      await context.database.run(sql`INSERT INTO sessions
        (id, console_id, user_id, relay_id, state, created_at_ms, opened_at_ms, second_viewer)
        SELECT 'ses_other', ${consoleId}, user_id, ${other}, 'active', 1, 1, second_viewer
        FROM sessions LIMIT 1`);
    },
    make: async (scene) => await report(scene, [openedBy(scene)]),
  },
};

const openedBy = ({ sessionId }: Scene) =>
  ({ type: "session.opened", sessionId, clientAddress: "192.0.2.1" }) as const;

async function report({ context, relayId }: Scene, events: readonly RelayEvent[]): Promise<void> {
  const numbered = events.map((event, index) => ({ seq: index + 1, atMs: index + 1, event }));
  await storeRelayEvents(context, relayId, "stream", numbered);
}

async function reportLife(scene: Scene): Promise<void> {
  const { sessionId } = scene;
  const clientAddress = "192.0.2.1";
  const channel = { sessionId, channel: "main", channelId: 0 } as const;
  const bytes = { clientBytes: 1, serverBytes: 1 };
  const finding = { direction: "client", rule: "type", messageType: 1, count: 1 } as const;
  const refusal = { code: "control.malformed", detail: "", clientAddress } as const;
  await report(scene, [
    openedBy(scene),
    { ...channel, type: "channel.opened", clientAddress },
    { ...channel, type: "channel.firewall", mode: "enforce", findings: [finding] },
    { ...channel, type: "channel.closed", reason: "client-closed", ...bytes },
    { ...channel, type: "channel.refused", ...refusal },
    { type: "ticket.refused", sessionId, reason: "used", channel: "main", count: 1, clientAddress },
    { type: "session.ended", sessionId, reason: "client-closed", detail: "", ...bytes },
  ]);
}
