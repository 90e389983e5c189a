import { decodeJwt } from "jose";
import { describe, expect, it } from "vitest";
import { grantSchema } from "#shared/ticket/grant.ts";
import { fetchConsoleFile } from "../../../worker/services/console-files.ts";
import { deleteConsole } from "../../../worker/services/consoles.ts";
import { NO_PERMISSIONS } from "../../../worker/identity/permissions.ts";
import { JOBS } from "../../../worker/jobs/jobs.ts";
import type { ActingUser, ServiceContext } from "../../../worker/services/context.ts";
import { expireSessions, OPENING_GRACE_MS } from "../../../worker/services/unopened-sessions.ts";
import { expireCredentials } from "../../../worker/services/expire-credentials.ts";
import { openShare } from "../../../worker/services/open-share.ts";
import { storeRelayEvents } from "../../../worker/services/relay-events.ts";
import {
  endSessionsOfLostRelay,
  markRelayOffline,
} from "../../../worker/services/relay-presence.ts";
import { issueShare, revokeShare } from "../../../worker/services/shares.ts";
import {
  terminateSession,
  terminateSessionsOfUser,
} from "../../../worker/services/terminate-sessions.ts";
import { TICKET_TTL_MS } from "../../../worker/services/ticket-life.ts";
import { rankRelays } from "../../../worker/services/placement.ts";
import { issueTicket } from "../../../worker/services/tickets.ts";
import { changeUser, deleteUser } from "../../../worker/services/users.ts";
import { findingsOf, verifyDatabase } from "../../harness/audit-trail.ts";
import { countSteps, crashAt } from "../../harness/crash.ts";
import { type SessionsScene, startSessionsScene } from "../../harness/sessions-scene.ts";

/**
 * Recovery is what runs by itself and nothing else: the table of jobs when their time has come, and,
 * of works that a hub or a relay began, the same work once more, because both go on until it is done.
 */
interface Work {
  /** Brings about what the work needs; its value is handed on. */
  readonly before?: (scene: SessionsScene) => Promise<string>;
  readonly run: (context: ServiceContext, scene: SessionsScene, given: string) => Promise<unknown>;
  /** Whether whoever asked for it asks again. */
  readonly isRepeated?: true;
  /** The state in which the session of `before` is in the end. */
  readonly endsAs?: "active" | "ended";
}

const openedEvents = (sessionId: string) =>
  [
    { seq: 1, atMs: 1, event: { type: "session.opened", sessionId, clientAddress: "192.0.2.1" } },
  ] as const;

const openedSession = async (scene: SessionsScene): Promise<string> => {
  const id = await scene.open(scene.admin, await scene.makeConsole("opened"));
  await storeRelayEvents(scene.context, scene.relayId, "stream", openedEvents(id));
  return id;
};

/** One that is open, and one whose ticket was not used. */
const openSessions = async (scene: SessionsScene, caller: ActingUser, consoleId: string) => {
  const id = await scene.open(caller, consoleId);
  await scene.open(caller, consoleId);
  await storeRelayEvents(scene.context, scene.relayId, "stream", openedEvents(id));
};

const userWithSessions = async (scene: SessionsScene): Promise<string> => {
  const caller = await scene.services.makeCaller("bob", "user");
  const consoleId = await scene.makeConsole("a");
  await scene.services.grant(caller, consoleId);
  await openSessions(scene, caller, consoleId);
  return caller.actorId;
};

/** A link's token. */
const makeLink = async (scene: SessionsScene): Promise<string> => {
  const wish = { consoleId: await scene.makeConsole("a"), expiresInS: 3600, usesMax: 2 };
  const issued = await issueShare(scene.context, scene.admin, wish);
  return issued.ok ? (issued.value.url.split("#")[1] ?? "") : "";
};

const openLink = async (context: ServiceContext, scene: SessionsScene, token: string) =>
  await openShare(context, { ...scene.admin, ...NOBODY }, { token, way: "tls" });

const NOBODY = { actorKind: "anonymous", actorId: null, permissions: NO_PERMISSIONS } as const;

const DAY_MS = 24 * 60 * 60 * 1000;

const WORKS: Record<string, Work> = {
  "a ticket": {
    before: async (scene) => await scene.makeConsole("a"),
    run: async (context, scene, consoleId) => await issueTicket(context, scene.admin, consoleId),
  },
  "a ticket that the first relay does not take": {
    before: async (scene) => {
      const second = await scene.services.makeRelay("second");
      const consoleId = await scene.makeConsole("a");
      const [first] = rankRelays([{ id: scene.relayId }, { id: second }], consoleId, 1);
      const failure = { code: "control.ack-timeout", detail: "late" } as const;
      scene.services.answerPushes(first?.id ?? "", failure);
      return consoleId;
    },
    run: async (context, scene, consoleId) => await issueTicket(context, scene.admin, consoleId),
  },
  "a ticket that no relay takes": {
    before: async (scene) => {
      scene.services.answerPushes(scene.relayId, { code: "control.offline", detail: "away" });
      return await scene.makeConsole("a");
    },
    run: async (context, scene, consoleId) => await issueTicket(context, scene.admin, consoleId),
  },
  "a fetched console file": {
    before: async (scene) => {
      const consoleId = await scene.makeConsole("a");
      const issued = await issueTicket(scene.context, scene.admin, consoleId);
      return issued.ok ? (issued.value.vvUrl.split("/").at(-1) ?? "") : "";
    },
    run: async (context, scene, token) => await fetchConsoleFile(context, scene.admin, token),
  },
  "a guest's ticket": {
    before: makeLink,
    run: async (context, scene, token) => await openLink(context, scene, token),
  },
  "a guest's ticket that no relay takes": {
    before: async (scene) => {
      scene.services.answerPushes(scene.relayId, { code: "control.offline", detail: "away" });
      return await makeLink(scene);
    },
    run: async (context, scene, token) => await openLink(context, scene, token),
  },
  "a user who is disabled": {
    before: userWithSessions,
    run: async (context, scene, id) =>
      await changeUser(context, scene.admin, { id, changes: { disabled: true } }),
  },
  "a user who is deleted": {
    before: userWithSessions,
    run: async (context, scene, id) => await deleteUser(context, scene.admin, id),
  },
  "all sessions of a user that are ended": {
    before: userWithSessions,
    run: async (context, scene, id) => await terminateSessionsOfUser(context, scene.admin, id),
  },
  "a console that is deleted": {
    before: async (scene) => {
      const consoleId = await scene.makeConsole("a");
      await openSessions(scene, scene.admin, consoleId);
      return consoleId;
    },
    run: async (context, scene, id) => await deleteConsole(context, scene.admin, id),
  },
  "a link that is revoked with its sessions": {
    before: async (scene) => {
      const opened = await openLink(scene.context, scene, await makeLink(scene));
      const sessionId = opened.ok ? opened.value.sessionId : "";
      await storeRelayEvents(scene.context, scene.relayId, "stream", openedEvents(sessionId));
      const [share] = await scene.services.query("SELECT id FROM shares");
      return String(share?.["id"]);
    },
    run: async (context, scene, id) =>
      await revokeShare(context, scene.admin, { id, endSessions: true }),
  },
  "an opened session": {
    before: async (scene) => await scene.open(scene.admin, await scene.makeConsole("a")),
    run: async (context, scene, id) =>
      await storeRelayEvents(context, scene.relayId, "stream", openedEvents(id)),
    isRepeated: true,
    endsAs: "active",
  },
  "a termination": {
    before: openedSession,
    run: async (context, scene, id) => await terminateSession(context, scene.admin, id),
  },
  "a relay that is lost": {
    before: openedSession,
    run: async (context, scene) => {
      await markRelayOffline(context, scene.relayId, "lost");
      await endSessionsOfLostRelay(context, scene.relayId);
    },
    isRepeated: true,
    endsAs: "ended",
  },
  "sessions that expire": {
    before: async (scene) => {
      const id = await scene.open(scene.admin, await scene.makeConsole("a"));
      scene.services.moveClock(TICKET_TTL_MS + OPENING_GRACE_MS);
      return id;
    },
    run: async (context, scene) => await expireSessions(context, scene.relayId),
    endsAs: "ended",
  },
  "forgotten tickets": {
    before: async (scene) => {
      const id = await scene.open(scene.admin, await scene.makeConsole("a"));
      scene.services.moveClock(TICKET_TTL_MS + OPENING_GRACE_MS);
      await expireSessions(scene.context, scene.relayId);
      scene.services.moveClock(2 * DAY_MS);
      return id;
    },
    run: async (context) => await expireCredentials(context),
    endsAs: "ended",
  },
};

describe("a crash of the control plane", () => {
  it.each(Object.entries(WORKS))(
    "at any step of %s leaves nothing half done",
    async (_name, work) => {
      const steps = await stepsOf(work);
      expect(steps).toBeGreaterThan(0);
      for (let step = 1; step <= steps; step += 1) {
        for (const moment of ["before", "after"] as const) {
          await using scene = await startSessionsScene();
          const given = (await work.before?.(scene)) ?? "";
          const crashed = await crashAt(scene.context, { step, moment }, async (context) => {
            await work.run(context, scene, given);
          });
          expect(crashed).toBe(true);
          // Else a transaction that the process left open would hold everybody up for its whole life.
          scene.services.rollBackAbandoned();
          await expectWhole(scene);
          if (work.isRepeated === true) {
            await work.run(scene.context, scene, given);
          }
          scene.services.moveClock(TICKET_TTL_MS + OPENING_GRACE_MS);
          for (const job of JOBS) {
            await job.run(scene.context);
          }
          await expectWhole(scene);
          await expectNothingPending(scene);
          if (work.endsAs !== undefined) {
            const states = `SELECT state FROM sessions WHERE id = '${given}'`;
            expect(await scene.services.query(states)).toEqual([{ state: work.endsAs }]);
          }
        }
      }
    },
    120_000,
  );
});

async function stepsOf(work: Work): Promise<number> {
  await using scene = await startSessionsScene();
  const given = (await work.before?.(scene)) ?? "";
  return await countSteps(scene.context, async (context) => {
    await work.run(context, scene, given);
  });
}

/** No ticket without its session and audit event, no grant without both, no end without a reason, no
 * use of a link without a session, no right taken away without a denial, and no broken audit chain. */
async function expectWhole(scene: SessionsScene): Promise<void> {
  const ask = async (query: string) => await scene.services.query(query);
  const untold = await ask(`SELECT session_id FROM tickets WHERE NOT EXISTS (
    SELECT 1 FROM audit_events WHERE audit_events.session_id = tickets.session_id
      AND type = 'ticket.issued' AND data LIKE '%' || tickets.grant_id || '%')`);
  expect(untold).toEqual([]);
  const fetched = await ask(`SELECT session_id FROM tickets WHERE vv_fetched_at_ms IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM audit_events
      WHERE audit_events.session_id = tickets.session_id AND type = 'ticket.downloaded')`);
  expect(fetched).toEqual([]);
  const homeless = await ask(`SELECT session_id FROM tickets
    WHERE session_id NOT IN (SELECT id FROM sessions)`);
  expect(homeless).toEqual([]);
  const ended = await ask(`SELECT id FROM sessions WHERE state = 'ended' AND (end_reason IS NULL
    OR NOT EXISTS (SELECT 1 FROM audit_events WHERE audit_events.session_id = sessions.id
      AND type IN ('session.ended', 'session.failed')))`);
  expect(ended).toEqual([]);
  const opened = await ask(`SELECT id FROM sessions WHERE state = 'active' AND NOT EXISTS (
    SELECT 1 FROM audit_events WHERE audit_events.session_id = sessions.id
      AND type = 'session.opened')`);
  expect(opened).toEqual([]);
  const spent = await ask(`SELECT uses_max - uses_left AS taken, (SELECT count(*) FROM sessions
    WHERE share_id = shares.id AND end_reason IS NOT 'failed') AS used FROM shares`);
  expect(spent.map(({ taken }) => taken)).toEqual(spent.map(({ used }) => used));
  const disabled = await ask(`SELECT logins.id FROM logins JOIN users ON users.id = logins.user_id
    WHERE disabled_at_ms IS NOT NULL`);
  expect(disabled).toEqual([]);
  await expectDenied(scene);
  const findings = findingsOf(await verifyDatabase(scene.context));
  // A job signs it, so at first nobody has.
  expect(findings.filter((finding) => finding !== "unsigned")).toEqual([]);
  for (const { command } of scene.services.pushes) {
    if (command.kind === "grant") {
      const { sessionId } = grantSchema.parse(decodeJwt(command.grant));
      expect(await ask(`SELECT id FROM sessions WHERE id = '${sessionId}'`)).toHaveLength(1);
      const granted = `SELECT 1 AS told FROM audit_events WHERE session_id = '${sessionId}'
        AND type = 'ticket.issued'`;
      expect((await ask(granted)).length).toBeGreaterThan(0);
    }
  }
}

/** What lives of somebody or something that is gone was denied; what shall end says who wants that. */
async function expectDenied(scene: SessionsScene): Promise<void> {
  const ask = async (query: string) => await scene.services.query(query);
  const undenied = await ask(`SELECT sessions.id FROM sessions JOIN users ON users.id = user_id
    JOIN consoles ON consoles.id = console_id
    WHERE state <> 'ended' AND (disabled_at_ms IS NOT NULL AND NOT EXISTS (SELECT 1 FROM denials
        WHERE subject = 'user' AND subject_id = user_id)
      OR consoles.deleted_at_ms IS NOT NULL AND NOT EXISTS (SELECT 1 FROM denials
        WHERE subject = 'console' AND subject_id = console_id))`);
  expect(undenied).toEqual([]);
  const untold = await ask(`SELECT subject_id FROM denials WHERE NOT EXISTS (
    SELECT 1 FROM audit_events
    WHERE type = 'denial.added' AND data LIKE '%' || denials.subject_id || '%')`);
  expect(untold).toEqual([]);
  const unasked = await ask(`SELECT id FROM sessions WHERE end_requested_at_ms IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM audit_events WHERE audit_events.session_id = sessions.id
      AND type = 'session.terminate-requested')
    AND NOT EXISTS (SELECT 1 FROM denials WHERE subject_id IN (user_id, console_id, share_id))`);
  expect(unasked).toEqual([]);
  const usable = await ask(`SELECT session_id FROM tickets JOIN sessions ON sessions.id = session_id
    WHERE end_requested_at_ms IS NOT NULL AND withdrawn_at_ms IS NULL`);
  expect(usable).toEqual([]);
}

/** Every session has begun or is over, and every relay with something of a denied one was told. */
async function expectNothingPending({ services }: SessionsScene): Promise<void> {
  expect(await services.query("SELECT id FROM sessions WHERE state = 'pending'")).toEqual([]);
  const told = services.pushes.flatMap(({ command }) =>
    command.kind === "deny" ? command.denials.map(({ id }) => id) : [],
  );
  const denials = await services.query("SELECT subject_id AS id, announced_at_ms FROM denials");
  expect(denials.filter(({ announced_at_ms: atMs }) => atMs === null)).toEqual([]);
  expect(denials.filter(({ id }) => !told.includes(String(id)))).toEqual([]);
}
