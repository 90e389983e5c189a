import "reflect-metadata";
import { randomBytes } from "node:crypto";
import { Pkcs10CertificateRequestGenerator } from "@peculiar/x509";
import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import type { Caller } from "../../../worker/services/context.ts";
import { fetchConsoleFile } from "../../../worker/services/console-files.ts";
import { changeConsole, createConsole, deleteConsole } from "../../../worker/services/consoles.ts";
import { denySubject } from "../../../worker/services/denials.ts";
import { expireSessions, OPENING_GRACE_MS } from "../../../worker/services/expire-sessions.ts";
import {
  issueJoinToken,
  pageJoinTokens,
  revokeJoinToken,
} from "../../../worker/services/join-tokens.ts";
import { authenticate, logIn, logOut } from "../../../worker/services/login.ts";
import {
  deleteRelay,
  disableRelay,
  drainRelay,
  enableRelay,
  patchRelay,
  resumeRelay,
} from "../../../worker/services/relay-lifecycle.ts";
import { storeRelayEvents } from "../../../worker/services/relay-events.ts";
import {
  auditRelayRefusal,
  endSessionsOfLostRelay,
  markRelayOffline,
  markRelayServing,
  welcomeRelay,
} from "../../../worker/services/relay-presence.ts";
import { enrolRelay } from "../../../worker/services/relays.ts";
import { terminateSession } from "../../../worker/services/sessions.ts";
import { createSite, deleteSite, pageSites, patchSite } from "../../../worker/services/sites.ts";
import { issueTicket, TICKET_TTL_MS } from "../../../worker/services/tickets.ts";
import { createUser } from "../../../worker/services/users.ts";
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
  const { loginId = "" } = (await authenticate(context, login.ok ? login.value.token : "")) ?? {};
  const created = await createConsole(context, admin, CONSOLE);
  const consoleId = created.ok ? created.value.id : "";
  const issued = await issueTicket(context, admin, consoleId);
  const { sessionId = "", vvUrl = "" } = issued.ok ? issued.value : {};
  const token = await issueJoinToken(context, admin);
  const joinToken = token.ok ? token.value.joinToken : "";
  const fileToken = vvUrl.split("/").at(-1) ?? "";
  return {
    services,
    context,
    admin,
    relayId,
    consoleId,
    loginId,
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
  "a relay that is refused": {
    make: ({ context, relayId }) =>
      auditRelayRefusal(context, relayId, { code: "control.malformed", detail: "" }),
  },
  "a changed relay": {
    make: ({ context, admin, relayId: id }) =>
      patchRelay(context, admin, { id, patch: { name: "other" } }),
  },
  "an ordered drain": {
    make: ({ context, admin, relayId: id }) => drainRelay(context, admin, { id, deadlineS: null }),
  },
  "a lifted drain": {
    before: async ({ context, admin, relayId: id }) => {
      await drainRelay(context, admin, { id, deadlineS: null });
    },
    make: ({ context, admin, relayId }) => resumeRelay(context, admin, relayId),
  },
  "a disabled relay": {
    make: ({ context, admin, relayId: id }) =>
      disableRelay(context, admin, { id, endsSessions: false }),
  },
  "an enabled relay": {
    before: async ({ context, admin, relayId: id }) => {
      await disableRelay(context, admin, { id, endsSessions: false });
    },
    make: ({ context, admin, relayId }) => enableRelay(context, admin, relayId),
  },
  "a deleted relay": {
    before: async (scene) => await setState(scene, "offline", "ended"),
    make: ({ context, admin, relayId }) => deleteRelay(context, admin, relayId),
  },
  "a new site": {
    make: ({ context, admin }) =>
      createSite(context, admin, { name: "syd", description: "", fallbackIds: ["sit_default"] }),
  },
  "a changed site": {
    make: ({ context, admin }) =>
      patchSite(context, admin, { id: "sit_default", patch: { name: "home" } }),
  },
  "a deleted site": {
    before: async ({ context, admin }) => {
      const site = { name: "syd", description: "", fallbackIds: ["sit_default"] };
      await createSite(context, admin, site);
    },
    make: async ({ context, admin }) => {
      const { items } = await pageSites(context, { afterName: null, limit: 10 });
      const made = items.find(({ name }) => name === "syd");
      return await deleteSite(context, admin, made?.id ?? "");
    },
  },
  "a revoked join token": {
    make: async ({ context, admin }) => {
      const { items } = await pageJoinTokens(context, { after: null, limit: 1 });
      return await revokeJoinToken(context, admin, items[0]?.id ?? "");
    },
  },
  "a denial": {
    make: ({ context, admin }) =>
      denySubject(context, admin, { subject: "user", id: "usr", reason: "test" }),
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
