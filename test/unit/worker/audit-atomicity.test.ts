import "reflect-metadata";
import { randomBytes } from "node:crypto";
import { Pkcs10CertificateRequestGenerator } from "@peculiar/x509";
import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { changeOwnPassword } from "../../../worker/services/account.ts";
import { createApiToken, endApiToken } from "../../../worker/services/api-tokens.ts";
import type { Caller } from "../../../worker/services/context.ts";
import { fetchConsoleFile } from "../../../worker/services/console-files.ts";
import { changeConsole, createConsole, deleteConsole } from "../../../worker/services/consoles.ts";
import { expireSessions, OPENING_GRACE_MS } from "../../../worker/services/expire-sessions.ts";
import {
  addMember,
  changeGroup,
  createGroup,
  deleteGroup,
  removeMember,
} from "../../../worker/services/groups.ts";
import { issueJoinToken } from "../../../worker/services/join-tokens.ts";
import { authenticate, logIn, logOut } from "../../../worker/services/login.ts";
import { endLogin, endLogins } from "../../../worker/services/logins.ts";
import { storeRelayEvents } from "../../../worker/services/relay-events.ts";
import {
  endSessionsOfLostRelay,
  markRelayOffline,
  markRelayServing,
  welcomeRelay,
} from "../../../worker/services/relay-presence.ts";
import { enrolRelay } from "../../../worker/services/relays.ts";
import { terminateSession } from "../../../worker/services/terminate-sessions.ts";
import { issueTicket, TICKET_TTL_MS } from "../../../worker/services/tickets.ts";
import { changeUser, createUser, deleteUser, setPassword } from "../../../worker/services/users.ts";
import {
  type ControlServices,
  startControlServices,
  TEST_PASSWORD,
} from "../../harness/control-services.ts";

/** A control plane in use: everything that a change can be about is there. */
interface Scene {
  readonly services: ControlServices;
  readonly context: ControlServices["context"];
  readonly admin: Caller & { readonly actorId: string };
  readonly relayId: string;
  readonly consoleId: string;
  readonly loginId: string;
  readonly apiTokenId: string;
  readonly groupId: string;
  readonly joinToken: string;
  /** Pending, with its console file not fetched. */
  readonly sessionId: string;
  readonly fileToken: string;
}

async function setScene(services: ControlServices): Promise<Scene> {
  const { context } = services;
  const admin = await services.makeCaller("admin", "admin");
  const relayId = await services.makeRelay("relay");
  const login = await logIn(context, admin, { username: "admin", password: TEST_PASSWORD });
  const authenticated = await authenticate(context, login.ok ? login.value.token : "");
  const loginId = authenticated?.credential.id ?? "";
  const group = await createGroup(context, admin, { name: "group", description: null });
  const groupId = group.ok ? group.value.id : "";
  const apiToken = await createApiToken(context, admin, {
    name: "script",
    scopes: ["consoles.read"],
    lifeDays: 1,
  });
  const apiTokenId = apiToken.ok ? apiToken.value.id : "";
  const created = await createConsole(context, admin, CONSOLE);
  const consoleId = created.ok ? created.value.id : "";
  const issued = await issueTicket(context, admin, consoleId);
  const { sessionId = "", vvUrl = "" } = issued.ok ? issued.value : {};
  const { joinToken } = await issueJoinToken(context, admin);
  const fileToken = vvUrl.split("/").at(-1) ?? "";
  return {
    services,
    context,
    admin,
    relayId,
    consoleId,
    loginId,
    apiTokenId,
    groupId,
    joinToken,
    sessionId,
    fileToken,
  };
}

const CONSOLE = { name: "a", host: "10.0.0.5", port: 5900, source: "static" };

const setState = async (scene: Scene, state: "online" | "offline", session: string) => {
  const { database } = scene.context;
  await database.run(sql`UPDATE relays SET state = ${state}`);
  await database.run(sql`UPDATE sessions SET state = ${session}`);
};

interface Change {
  /** Brings about what the change needs. */
  readonly before?: (scene: Scene) => Promise<void> | void;
  readonly make: (scene: Scene) => Promise<unknown>;
}

const CHANGES: Record<string, Change> = {
  "a new user": {
    make: ({ context }) =>
      createUser(context, { username: "new", password: TEST_PASSWORD, role: "user" }),
  },
  "a login": {
    make: ({ context, admin }) =>
      logIn(context, admin, { username: "admin", password: TEST_PASSWORD }),
  },
  "a logout": { make: ({ context, admin, loginId }) => logOut(context, admin, loginId) },
  "a login ended from elsewhere": {
    make: async ({ context, admin, loginId: id }) =>
      await endLogin(context, admin, { id, userId: admin.actorId }),
  },
  "all logins ended": {
    make: async ({ context, admin: { actorId: userId }, admin }) =>
      await endLogins(context, admin, { userId, exceptLoginId: null }),
  },
  "a changed user": {
    before: async ({ services }) => void (await services.makeCaller("other", "admin")),
    make: ({ context, admin }) =>
      changeUser(context, admin, {
        id: admin.actorId,
        changes: { role: "operator", disabled: true },
      }),
  },
  "a deleted user": {
    before: async ({ services }) => void (await services.makeCaller("other", "admin")),
    make: ({ context, admin }) => deleteUser(context, admin, admin.actorId),
  },
  "a password": {
    make: ({ context, admin }) =>
      setPassword(context, admin, { id: admin.actorId, password: `${TEST_PASSWORD} again` }),
  },
  "an own password": {
    make: ({ context, admin }) =>
      changeOwnPassword(context, admin, {
        currentPassword: TEST_PASSWORD,
        newPassword: `${TEST_PASSWORD} again`,
      }),
  },
  "a new API token": {
    make: ({ context, admin }) =>
      createApiToken(context, admin, { name: "x", scopes: ["consoles.read"], lifeDays: 1 }),
  },
  "a revoked API token": {
    make: async ({ context, admin, apiTokenId: id }) =>
      await endApiToken(context, admin, { id, userId: admin.actorId }),
  },
  "a new group": {
    make: ({ context, admin }) => createGroup(context, admin, { name: "new", description: null }),
  },
  "a changed group": {
    make: ({ context, admin, groupId: id }) =>
      changeGroup(context, admin, { id, changes: { name: "renamed" } }),
  },
  "a new member": {
    make: ({ context, admin, groupId }) =>
      addMember(context, admin, { groupId, userId: admin.actorId }),
  },
  "a member who goes": {
    before: async ({ context, admin, groupId }) =>
      void (await addMember(context, admin, { groupId, userId: admin.actorId })),
    make: ({ context, admin, groupId }) =>
      removeMember(context, admin, { groupId, userId: admin.actorId }),
  },
  "a deleted group": {
    make: ({ context, admin, groupId }) => deleteGroup(context, admin, groupId),
  },
  "a new console": { make: ({ context, admin }) => createConsole(context, admin, CONSOLE) },
  "a changed console": {
    make: ({ context, admin, consoleId: id }) =>
      changeConsole(context, admin, { id, changes: { name: "b" } }),
  },
  "a deleted console": {
    make: ({ context, admin, consoleId }) => deleteConsole(context, admin, consoleId),
  },
  "a ticket": { make: ({ context, admin, consoleId }) => issueTicket(context, admin, consoleId) },
  "a session without a relay": {
    before: async (scene) => await setState(scene, "offline", "pending"),
    make: ({ context, admin, consoleId }) => issueTicket(context, admin, consoleId),
  },
  "a fetched console file": {
    make: ({ context, admin, fileToken }) => fetchConsoleFile(context, admin, fileToken),
  },
  "a termination": {
    make: ({ context, admin, sessionId }) => terminateSession(context, admin, sessionId),
  },
  "a join token": { make: ({ context, admin }) => issueJoinToken(context, admin) },
  "an enrolled relay": {
    make: async ({ context, admin, joinToken }) =>
      await enrolRelay(context, admin, {
        joinToken,
        name: "second",
        host: "second.example",
        tlsPort: 5900,
        publicKey: randomBytes(32).toString("base64url"),
        csr: await makeCsr(),
      }),
  },
  "a relay that comes": {
    make: ({ context, relayId }) =>
      welcomeRelay(context, relayId, { build: "test", channelsMax: 1, draining: false }),
  },
  "a relay that drains": {
    make: ({ context, relayId }) => markRelayServing(context, relayId, true),
  },
  "a relay that goes": {
    make: ({ context, relayId }) => markRelayOffline(context, relayId, "lost"),
  },
  "the sessions of a lost relay": {
    before: async (scene) => await setState(scene, "offline", "active"),
    make: ({ context, relayId }) => endSessionsOfLostRelay(context, relayId),
  },
  "sessions that nobody opened": {
    before: ({ services }) => services.moveClock(TICKET_TTL_MS + OPENING_GRACE_MS),
    make: ({ context, relayId }) => expireSessions(context, relayId),
  },
  "a relay's events": {
    make: ({ context, relayId, sessionId }) =>
      storeRelayEvents(context, relayId, "stream", [
        {
          seq: 1,
          atMs: 1,
          event: { type: "session.opened", sessionId, clientAddress: "192.0.2.1" },
        },
      ]),
  },
};

describe("a change that cannot be audited", () => {
  it.each(Object.entries(CHANGES))("does not happen: %s", async (_name, change) => {
    await using services = await startControlServices();
    const scene = await setScene(services);
    await change.before?.(scene);
    await scene.context.database.run(REFUSE_AUDIT);
    const before = await services.dumpDatabase();
    await expect(change.make(scene)).rejects.toThrow();
    expect(await services.dumpDatabase()).toBe(before);
    // The trail alone stood in its way.
    await scene.context.database.run(sql`DROP TRIGGER refuse_audit`);
    await change.make(scene);
    expect(await services.dumpDatabase()).not.toBe(before);
  });
});

async function makeCsr(): Promise<string> {
  const signingAlgorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(signingAlgorithm, true, ["sign", "verify"]);
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: "CN=any",
    keys,
    signingAlgorithm,
  });
  return request.toString("pem");
}

const REFUSE_AUDIT = sql`CREATE TRIGGER refuse_audit BEFORE INSERT ON audit_events
  BEGIN SELECT RAISE(ABORT, 'the trail is full'); END`;
