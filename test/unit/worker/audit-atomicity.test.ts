import { randomBytes } from "node:crypto";
import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { changeOwnPassword } from "../../../worker/services/account.ts";
import { createApiToken, endApiToken } from "../../../worker/services/api-tokens.ts";
import { SYSTEM_CALLER } from "../../../worker/services/audit-record.ts";
import { changeAccess, grantAccess, revokeAccess } from "../../../worker/services/access-rules.ts";
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
import {
  issueJoinToken,
  pageJoinTokens,
  revokeJoinToken,
} from "../../../worker/services/join-tokens.ts";
import { logIn, logOut } from "../../../worker/services/login.ts";
import { endLogin, endLogins } from "../../../worker/services/logins.ts";
import {
  changePolicy,
  createPolicy,
  deletePolicy,
  pagePolicies,
} from "../../../worker/services/policies.ts";
import {
  attachPolicy,
  detachPolicy,
  pageAttachments,
} from "../../../worker/services/policy-attachments.ts";
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
import { createSite, deleteSite, pageSites, patchSite } from "../../../worker/services/sites.ts";
import { terminateSession } from "../../../worker/services/terminate-sessions.ts";
import { openShare } from "../../../worker/services/open-share.ts";
import { issueShare, revokeShare } from "../../../worker/services/shares.ts";
import { TICKET_TTL_MS } from "../../../worker/services/ticket-life.ts";
import { issueTicket } from "../../../worker/services/tickets.ts";
import { changeUser, createUser, deleteUser, setPassword } from "../../../worker/services/users.ts";
import {
  noteShownCertificate,
  renewRelayCertificate,
  warnOfEndingCertificates,
} from "../../../worker/services/relay-certificates.ts";
import { rotateTicketKey, takeKeyOffer, takeKeyUse } from "../../../worker/services/relay-keys.ts";
import { reencryptSecrets } from "../../../worker/services/secrets-upkeep.ts";
import { PUBLISHED_MS_MIN } from "../../../worker/services/signing-key-rules.ts";
import { rotateSigningKeys } from "../../../worker/services/signing-key-rotation.ts";
import { ensureSigningKeys } from "../../../worker/services/signing-keys.ts";
import { startControlServices, TEST_PASSWORD } from "../../harness/control-services.ts";
import { denySubject } from "../../harness/deny-subject.ts";
import { makeOwnCertificate } from "./own-certificate-fixture.ts";
import {
  giveKey,
  makeCsr,
  makeOffer,
  makeRelayKey,
  type RelayKey,
  signToken,
} from "./relay-keys-fixture.ts";
import { CONSOLE, type Scene, setScene } from "./audit-scene.ts";

const POLICY = { name: "p", description: "", rules: { sessionsMax: 1 } };

async function makePolicy({ context, admin }: Scene): Promise<void> {
  await createPolicy(context, admin, POLICY);
}

async function makeAttachedPolicy(scene: Scene): Promise<void> {
  await makePolicy(scene);
  await attachToEveryone(scene);
}

async function policyId({ context }: Scene): Promise<string> {
  const { items } = await pagePolicies(context, { afterName: null, limit: 1 });
  return items[0]?.id ?? "";
}

async function attachToEveryone(scene: Scene): Promise<void> {
  const wish = {
    policyId: await policyId(scene),
    kind: "everyone",
    subjectId: "everyone",
  } as const;
  await attachPolicy(scene.context, scene.admin, wish);
}

const setState = async (scene: Scene, state: "online" | "offline", session: string) => {
  const { database } = scene.context;
  await database.run(sql`UPDATE relays SET state = ${state}`);
  await database.run(sql`UPDATE sessions SET state = ${session}`);
};

/** Keys of the tests' relay, known before it is made. */
const OLD_KEY: Promise<RelayKey> = makeRelayKey();
const NEXT_KEY: Promise<RelayKey> = makeRelayKey();

const offerOf = async ({ services, relayId }: Scene) =>
  await makeOffer(services, { relayId, old: await OLD_KEY, next: await NEXT_KEY });

const ownOf = async ({ context }: Scene, lifeMs?: number) =>
  await makeOwnCertificate({ host: "relay.relay.test", nowMs: context.nowMs(), lifeMs });

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
  "a console's other tags": {
    make: ({ context, admin, consoleId: id }) =>
      changeConsole(context, admin, { id, changes: { tags: ["a", "b"] } }),
  },
  "a new rule of access": {
    make: ({ context, admin }) =>
      grantAccess(context, admin, { subject: { kind: "everyone" }, match: {}, level: "view" }),
  },
  "a changed rule of access": {
    make: ({ context, admin, ruleId: id }) =>
      changeAccess(context, admin, { id, match: { tag: "t" } }),
  },
  "a revoked rule of access": {
    make: ({ context, admin, ruleId }) => revokeAccess(context, admin, ruleId),
  },
  "a new link": {
    make: ({ context, admin, consoleId }) =>
      issueShare(context, admin, { consoleId, expiresInS: 60, usesMax: 1 }),
  },
  "an opened link": {
    make: ({ context, admin, shareToken: token }) =>
      openShare(context, admin, { token, way: "tls" }),
  },
  "a revoked link": {
    make: ({ context, admin, shareId: id }) =>
      revokeShare(context, admin, { id, endSessions: false }),
  },
  "a ticket": { make: ({ context, admin, consoleId }) => issueTicket(context, admin, consoleId) },
  "a session without a relay": {
    before: async (scene) => await setState(scene, "offline", "pending"),
    make: ({ context, admin, consoleId }) => issueTicket(context, admin, consoleId),
  },
  "a ticket within a limit": {
    before: async (scene) => {
      await makeAttachedPolicy(scene);
      await setState(scene, "online", "ended");
    },
    make: ({ context, admin, consoleId }) => issueTicket(context, admin, consoleId),
  },
  "a ticket beyond a limit": {
    before: makeAttachedPolicy,
    make: ({ context, admin, consoleId }) => issueTicket(context, admin, consoleId),
  },
  "a new policy": { make: makePolicy },
  "a changed policy": {
    before: makePolicy,
    make: async (scene) => {
      const change = { id: await policyId(scene), changes: { rules: {} } };
      return await changePolicy(scene.context, scene.admin, change);
    },
  },
  "a deleted policy": {
    before: makePolicy,
    make: async (scene) => await deletePolicy(scene.context, scene.admin, await policyId(scene)),
  },
  "an attached policy": { before: makePolicy, make: attachToEveryone },
  "a detached policy": {
    before: makeAttachedPolicy,
    make: async ({ context, admin }) => {
      const page = { filter: {}, afterId: null, limit: 1 };
      const [attachment] = (await pageAttachments(context, page)).items;
      return await detachPolicy(context, admin, attachment?.id ?? "");
    },
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
      welcomeRelay(context, relayId, {
        build: "test",
        channelsMax: 1,
        draining: false,
        enforces: [],
      }),
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
  "the first signing keys": {
    before: async ({ context }) => {
      await context.database.run(sql`DELETE FROM signing_keys`);
    },
    make: ({ context }) => ensureSigningKeys(context),
  },
  "a rotated signing key": {
    before: ({ services }) => services.moveClock(PUBLISHED_MS_MIN),
    make: ({ context }) => rotateSigningKeys(context, SYSTEM_CALLER, { isEmergency: false }),
  },
  "signing keys rotated in an emergency": {
    make: ({ context }) => rotateSigningKeys(context, SYSTEM_CALLER, { isEmergency: true }),
  },
  "a relay's ticket key": {
    make: ({ context, admin, relayId }) => rotateTicketKey(context, admin, relayId),
  },
  "a relay's offered key": {
    before: async ({ services, relayId }) => await giveKey(services, relayId, await OLD_KEY),
    make: async (scene) => takeKeyOffer(scene.context, scene.relayId, await offerOf(scene)),
  },
  "a relay's used key": {
    before: async (scene) => {
      await giveKey(scene.services, scene.relayId, await OLD_KEY);
      await takeKeyOffer(scene.context, scene.relayId, await offerOf(scene));
    },
    make: async ({ services, context, relayId }) =>
      takeKeyUse(context, relayId, await signToken(services, relayId, await NEXT_KEY)),
  },
  "a relay's renewed certificate": {
    make: async ({ context, relayId }) => renewRelayCertificate(context, relayId, await makeCsr()),
  },
  "an operator's certificate": {
    make: async (scene) =>
      noteShownCertificate(scene.context, scene.relayId, { own: await ownOf(scene) }),
  },
  "an operator's certificate that is of no use": {
    make: ({ context, relayId }) =>
      noteShownCertificate(context, relayId, { own: { chain: "none", ca: null } }),
  },
  "an operator's certificate that is not shown any more": {
    before: async (scene) => {
      const own = await ownOf(scene);
      await noteShownCertificate(scene.context, scene.relayId, { own });
    },
    make: ({ context, relayId }) => noteShownCertificate(context, relayId, { own: null }),
  },
  "a warning of a certificate's end": {
    before: async (scene) => {
      const own = await ownOf(scene, 24 * 3_600_000);
      await noteShownCertificate(scene.context, scene.relayId, { own });
    },
    make: ({ context }) => warnOfEndingCertificates(context),
  },
  "secrets sealed again": {
    before: async ({ context, admin }) => {
      await createConsole(context, admin, { ...CONSOLE, password: "secret" });
    },
    make: ({ context, admin }) => {
      const [older] = context.settings.secretsKeys;
      const key = Uint8Array.from(randomBytes(32));
      const settings = { ...context.settings, secretsKeys: [{ id: "new", key }, older] as const };
      return reencryptSecrets({ ...context, settings }, admin, null);
    },
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

const REFUSE_AUDIT = sql`CREATE TRIGGER refuse_audit BEFORE INSERT ON audit_events
  BEGIN SELECT RAISE(ABORT, 'the trail is full'); END`;
