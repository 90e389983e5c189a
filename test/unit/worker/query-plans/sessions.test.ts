import { describe, expect, it } from "vitest";
import { permissionsOf } from "../../../../worker/identity/permissions.ts";
import { type SessionFilter } from "../../../../worker/repositories/session-list.ts";
import { fetchConsoleFile } from "../../../../worker/services/console-files.ts";
import { type ActingUser, type ServiceContext } from "../../../../worker/services/context.ts";
import { lookUpGrant } from "../../../../worker/services/relay-lookups.ts";
import { followSessions, sweepSessionFeed } from "../../../../worker/services/session-feed.ts";
import { pageSessions, readSession } from "../../../../worker/services/sessions.ts";
import {
  terminateSession,
  terminateSessionsOfConsole,
  terminateSessionsOfUser,
} from "../../../../worker/services/terminate-sessions.ts";
import { issueTicket } from "../../../../worker/services/tickets.ts";
import type { ControlServices } from "../../../harness/control-services.ts";
import { expectIndexed, makeConsole } from "./expect-indexed.ts";

describe("what is asked of the database about sessions and tickets", () => {
  it("is answered through indexes, in the order that they keep", async () => {
    await expectIndexed(25, async (services, admin) => {
      const relayId = await services.makeRelay("relay");
      const consoleId = await makeConsole(services, admin);
      const sessionId = await useTickets(services, admin, { consoleId, relayId });
      await useSessions(services, { admin, consoleId, relayId, sessionId });
      await terminateSession(services.context, admin, sessionId);
    });
  });
});

/** Gives a session's id. */
async function useTickets(
  { context }: ControlServices,
  admin: ActingUser,
  { consoleId, relayId }: { readonly consoleId: string; readonly relayId: string },
): Promise<string> {
  const issued = await issueTicket(context, admin, consoleId);
  const { sessionId = "", vvUrl = "" } = issued.ok ? issued.value : {};
  await fetchConsoleFile(context, admin, vvUrl.split("/").at(-1) ?? "");
  await lookUpGrant(context, relayId, "h".repeat(43));
  return sessionId;
}

/** Sessions as a user and as an admin sees and ends them, and their feed. */
async function useSessions(
  { context }: ControlServices,
  given: {
    readonly admin: ActingUser;
    readonly consoleId: string;
    readonly relayId: string;
    readonly sessionId: string;
  },
): Promise<void> {
  const { admin, consoleId, relayId, sessionId } = given;
  for (const caller of [admin, { ...admin, permissions: permissionsOf("user") }]) {
    for (const after of [null, { createdAtMs: 1, id: "ses" }]) {
      for (const filter of sessionFilters({ consoleId, relayId, userId: admin.actorId })) {
        await pageSessions(context, caller, { filter, after, limit: 2 });
      }
    }
    await readSession(context, caller, sessionId);
    await followBriefly(context, caller);
  }
  await sweepSessionFeed(context);
  await terminateSessionsOfUser(context, admin, admin.actorId);
  await terminateSessionsOfConsole(context, admin, consoleId);
}

/** Every filter alone and with each state. */
function sessionFilters(ids: Readonly<Record<string, string>>): SessionFilter[] {
  const subjects = [{}, ...Object.entries(ids).map(([name, id]) => ({ [name]: id }))];
  const states = [undefined, "live", "pending", "active", "ended"] as const;
  return subjects.flatMap((subject) =>
    states.flatMap((state) => [
      { ...subject, state },
      { ...subject, state, fromMs: 1, toMs: 2 },
    ]),
  );
}

async function followBriefly(context: ServiceContext, caller: ActingUser): Promise<void> {
  const following = {
    afterSeq: 0,
    sleep: async () => false,
    isStillAllowed: async () => true,
  };
  for await (const item of followSessions(context, caller, following)) {
    expect(item.kind).not.toBe("ended");
  }
}
