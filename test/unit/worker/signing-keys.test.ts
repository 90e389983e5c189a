/** The keys that sign grants: where they come from, how they change, and that no ticket suffers. */
import { compactVerify, decodeProtectedHeader, importJWK } from "jose";
import { afterEach, describe, expect, it, vi } from "vitest";
import { SYSTEM_CALLER } from "../../../worker/services/audit-record.ts";
import { createConsole } from "../../../worker/services/consoles.ts";
import { fetchConsoleFile } from "../../../worker/services/console-files.ts";
import type { ServiceContext } from "../../../worker/services/context.ts";
import { SigningKeyCache } from "../../../worker/services/signing-key-cache.ts";
import {
  isAccepted,
  PUBLISHED_MS_MIN,
  SIGNED_LIFE_MS,
  SIGNING_KEY_CACHE_MS,
  SIGNING_KEY_LIFE_MS,
} from "../../../worker/services/signing-key-rules.ts";
import {
  keepSigningKeys,
  rotateSigningKeys,
} from "../../../worker/services/signing-key-rotation.ts";
import {
  activeSigningKey,
  ensureSigningKeys,
  publishedKeys,
} from "../../../worker/services/signing-keys.ts";
import { lookUpGrant } from "../../../worker/services/relay-lookups.ts";
import { TICKET_TTL_MS } from "../../../worker/services/ticket-life.ts";
import { issueTicket } from "../../../worker/services/tickets.ts";
import { type ControlServices, startControlServices } from "../../harness/control-services.ts";
import { anonymous, holdConsole, issue, pushedGrants, tokenOf } from "./tickets-fixture.ts";
import { recordedEvents } from "../../harness/audit-trail.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

const stateOf = async (context: ServiceContext) =>
  Object.fromEntries((await ensureSigningKeys(context)).map(({ kid, state }) => [state, kid]));

/** Another isolate: the same database, nothing remembered. */
const isolateOf = (services: ControlServices): ServiceContext => ({
  ...services.context,
  signingKeys: new SigningKeyCache(),
});

const rotate = (context: ServiceContext, isEmergency = false, activeKid?: string) =>
  rotateSigningKeys(context, SYSTEM_CALLER, { isEmergency, activeKid });

async function auditTypes({ context }: ControlServices): Promise<string[]> {
  const records = await recordedEvents(context, {}, 100);
  return records.map(({ event }) => event.type).filter((type) => type.startsWith("signing-key."));
}

/** Which key signed each of the grants that were pushed. */
function kidsOf(services: ControlServices): (string | undefined)[] {
  return pushedGrants(services).map(({ grant }) => decodeProtectedHeader(grant).kid);
}

function lastKid(services: ControlServices): string | undefined {
  return kidsOf(services).at(-1);
}

describe("the first keys", () => {
  it("are the settings' own, and one that comes next", async () => {
    await using services = await startControlServices();
    const { context } = services;
    const { active, next } = await stateOf(context);
    expect(active).toBe(context.settings.grantSigningKey?.kid);
    expect(next).toEqual(expect.any(String));
    expect((await auditTypes(services)).sort()).toEqual([
      "signing-key.activated",
      "signing-key.created",
      "signing-key.created",
    ]);
  });

  it("are made where the settings have none, and named by their thumbprint", async () => {
    await using services = await startControlServices();
    const settings = { ...services.context.settings, grantSigningKey: null };
    const context = { ...services.context, settings };
    const signing = await activeSigningKey(context);
    expect(signing).toMatchObject({ ok: true, value: { kid: expect.stringMatching(/^.{43}$/) } });
    expect(await publishedKeys(context)).toHaveLength(2);
  });

  it("stay what they are when the settings get another one, or lose it", async () => {
    await using services = await startControlServices();
    const before = await stateOf(services.context);
    const other = { kty: "OKP", crv: "Ed25519", x: "x", d: "d", kid: "other" } as const;
    for (const grantSigningKey of [other, null]) {
      const settings = { ...services.context.settings, grantSigningKey };
      const context = { ...isolateOf(services), settings };
      expect(await stateOf(context)).toEqual(before);
      expect(await activeSigningKey(context)).toMatchObject({ value: { kid: before["active"] } });
    }
  });

  it("are one pair, however many isolates need them first at once", async () => {
    await using services = await startControlServices();
    const settings = { ...services.context.settings, grantSigningKey: null };
    const isolates = Array.from({ length: 5 }, () => ({ ...isolateOf(services), settings }));
    const signing = await Promise.all(isolates.map((context) => activeSigningKey(context)));
    const kids = new Set(signing.map((result) => (result.ok ? result.value.kid : "none")));
    expect(kids.size).toBe(1);
    expect(await ensureSigningKeys(services.context)).toHaveLength(2);
  });

  it("rest sealed, and cost a ticket no query once they were read", async () => {
    await using services = await startControlServices();
    const { context } = services;
    await activeSigningKey(context);
    const dump = await services.dumpDatabase();
    expect(dump).toContain(`${context.settings.grantSigningKey?.kid}`);
    expect(dump).not.toContain(`${context.settings.grantSigningKey?.d}`);
    const fetched = vi.spyOn(globalThis, "fetch");
    await activeSigningKey(context);
    expect(fetched).not.toHaveBeenCalled();
    services.moveClock(SIGNING_KEY_CACHE_MS);
    await activeSigningKey(context);
    expect(fetched).toHaveBeenCalled();
  });

  it("cannot sign when no key in the settings opens them; then no ticket is begun", async () => {
    await using services = await startControlServices();
    const admin = await services.makeCaller("admin", "admin");
    await services.makeRelay("one");
    const input = { name: "a", host: "10.0.0.5", port: 5900, source: "static" };
    const created = await createConsole(services.context, admin, input);
    await ensureSigningKeys(services.context);
    const before = await services.dumpDatabase();
    const secretsKeys = [{ id: "lost", key: new Uint8Array(32) }] as const;
    const settings = { ...services.context.settings, secretsKeys };
    const context = { ...isolateOf(services), settings };
    const issued = await issueTicket(context, admin, created.ok ? created.value.id : "");
    expect(issued).toMatchObject({ ok: false, error: { code: "signing-key.unreadable" } });
    expect(await services.dumpDatabase()).toBe(before);
    // What others verify by is public all the same, and an emergency needs no older key.
    expect(await publishedKeys(context)).toHaveLength(2);
    expect(await rotate(context, true)).toMatchObject({ ok: true });
    expect(await activeSigningKey(context)).toMatchObject({ ok: true });
  });
});

describe("a rotation", () => {
  it("lets a key sign only after everybody could learn it", async () => {
    await using services = await startControlServices();
    const before = await stateOf(services.context);
    services.moveClock(PUBLISHED_MS_MIN - 1);
    expect(await rotate(services.context)).toMatchObject({
      ok: false,
      error: { code: "signing-key.not-published", detail: "It can sign in 1 seconds." },
    });
    expect(await stateOf(services.context)).toEqual(before);
    services.moveClock(1);
    expect(await rotate(services.context)).toMatchObject({ ok: true });
    const after = await stateOf(services.context);
    expect(after).toMatchObject({ active: before["next"], retired: before["active"] });
    expect(after["next"]).not.toBe(before["next"]);
  });

  it("tells the relays that are there, audits all three keys, and destroys the retired half", async () => {
    await using services = await startControlServices();
    const relayId = await services.makeRelay("one");
    await ensureSigningKeys(services.context);
    services.moveClock(PUBLISHED_MS_MIN);
    await rotate(services.context);
    expect(services.toldKeys).toEqual([relayId]);
    expect((await auditTypes(services)).slice(0, 3).sort()).toEqual([
      "signing-key.activated",
      "signing-key.created",
      "signing-key.retired",
    ]);
    const rows = await ensureSigningKeys(services.context);
    const retired = rows.find(({ state }) => state === "retired");
    expect(retired?.sealedPrivateKey).toBeNull();
  });

  it("voids no ticket: an isolate that has not heard of it signs on, and that is accepted", async () => {
    await using held = await holdConsole(["one"]);
    const { services, admin, consoleId } = held;
    await issue(services, admin, consoleId);
    const { active: old, next } = await stateOf(services.context);
    services.moveClock(PUBLISHED_MS_MIN);
    await activeSigningKey(services.context);
    await rotate(isolateOf(services));
    // The last moment at which this isolate may still use what it has read.
    services.moveClock(SIGNING_KEY_CACHE_MS - 1);
    await issue(services, admin, consoleId);
    expect(lastKid(services)).toBe(old);
    services.moveClock(TICKET_TTL_MS);
    const accepted = await publishedKeys(services.context);
    expect(accepted.map(({ kid }) => kid)).toContain(old);
    await issue(services, admin, consoleId);
    expect(lastKid(services)).toBe(next);
  });

  it("accepts what the key before signed until it has expired, and not longer", async () => {
    await using services = await startControlServices();
    const { active } = await stateOf(services.context);
    services.moveClock(PUBLISHED_MS_MIN);
    await rotate(services.context);
    const kids = async () => (await publishedKeys(services.context)).map(({ kid }) => kid);
    services.moveClock(SIGNED_LIFE_MS - 1);
    expect(await kids()).toEqual([expect.any(String), expect.any(String), active]);
    services.moveClock(1);
    expect(await kids()).not.toContain(active);
    expect(await kids()).toHaveLength(2);
  });

  it("is carried out once when two race, and repeated safely by naming the active key", async () => {
    await using services = await startControlServices();
    const { active = "", next } = await stateOf(services.context);
    services.moveClock(PUBLISHED_MS_MIN);
    const isolates = [isolateOf(services), isolateOf(services), isolateOf(services)];
    const results = await Promise.all(isolates.map((context) => rotate(context, false, active)));
    expect(results.filter(({ ok }) => ok)).toHaveLength(1);
    const failures = results.flatMap((result) => (result.ok ? [] : [result.error.code]));
    // Whoever reads before the winner stores finds the key changed; afterwards, too.
    expect(failures).toEqual(["signing-key.changed", "signing-key.changed"]);
    expect(await rotate(services.context, false, active)).toMatchObject({
      error: { code: "signing-key.changed" },
    });
    expect(await stateOf(services.context)).toMatchObject({ active: next, retired: active });
    expect(await ensureSigningKeys(services.context)).toHaveLength(3);
  });
});

describe("an emergency", () => {
  it("accepts nothing of either key any more, at once", async () => {
    await using services = await startControlServices();
    const before = await stateOf(services.context);
    expect(await rotate(services.context, true)).toMatchObject({ ok: true });
    const kids = (await publishedKeys(services.context)).map(({ kid }) => kid);
    expect(kids).toHaveLength(2);
    expect(kids).not.toContain(before["active"]);
    expect(kids).not.toContain(before["next"]);
  });

  it("voids the tickets that are out; the next one is signed with the new key", async () => {
    await using held = await holdConsole(["one"]);
    const { services, admin, consoleId, relayIds } = held;
    const issued = await issue(services, admin, consoleId);
    expect(await rotate(services.context, true)).toMatchObject({ ok: true });
    const file = await fetchConsoleFile(services.context, anonymous, tokenOf(issued));
    expect(file).toMatchObject({ ok: false, error: { code: "vv.gone" } });
    const [relayId = ""] = relayIds;
    expect(await lookUpGrant(services.context, relayId, "h".repeat(43))).toMatchObject({
      ok: false,
    });
    const events = await recordedEvents(
      services.context,
      { sessionId: issued.sessionId, type: "ticket.withdrawn" },
      10,
    );
    expect(events).toHaveLength(1);
    await issue(services, admin, consoleId);
    expect(lastKid(services)).toBe((await stateOf(services.context))["active"]);
  });

  it("is learned from a relay's refusal by an isolate that has not heard of it", async () => {
    await using held = await holdConsole(["one"]);
    const { services, admin, consoleId, relayIds } = held;
    await issue(services, admin, consoleId);
    const old = lastKid(services);
    await rotate(isolateOf(services), true);
    services.answerPushes(relayIds[0] ?? "", { code: "control.grant-invalid", detail: "" });
    await expect(issue(services, admin, consoleId)).rejects.toThrow("console.no-relay");
    expect(lastKid(services)).toBe(old);
    services.answerPushes(relayIds[0] ?? "", null);
    await issue(services, admin, consoleId);
    expect(lastKid(services)).not.toBe(old);
  });

  it("is learned from a relay's refusal in time for the next relay", async () => {
    await using held = await holdConsole(["one", "two"]);
    const { services, admin, consoleId } = held;
    await issue(services, admin, consoleId);
    const [first = ""] = services.pushes.map(({ relayId }) => relayId);
    services.answerPushes(first, { code: "control.grant-invalid", detail: "" });
    const { active: old } = await stateOf(services.context);
    await rotate(isolateOf(services), true);
    await issue(services, admin, consoleId);
    const { active } = await stateOf(services.context);
    expect(kidsOf(services)).toEqual([old, old, active]);
  });
});

describe("the clock", () => {
  it("makes the keys, and rotates after their life, once", async () => {
    await using services = await startControlServices();
    const { context } = services;
    await keepSigningKeys(context);
    const { active, next } = await stateOf(context);
    services.moveClock(SIGNING_KEY_LIFE_MS - 1);
    await keepSigningKeys(context);
    expect(await stateOf(context)).toMatchObject({ active });
    services.moveClock(1);
    await Promise.all([keepSigningKeys(context), keepSigningKeys(isolateOf(services))]);
    expect(await stateOf(context)).toMatchObject({ active: next, retired: active });
    expect(await ensureSigningKeys(context)).toHaveLength(3);
  });

  it("tells relays again for a while after a change, and not for ever", async () => {
    await using services = await startControlServices();
    await services.makeRelay("one");
    await keepSigningKeys(services.context);
    services.moveClock(3_600_000);
    await keepSigningKeys(services.context);
    const told = services.toldKeys.length;
    expect(told).toBeGreaterThan(0);
    services.moveClock(24 * 3_600_000);
    await keepSigningKeys(services.context);
    expect(services.toldKeys).toHaveLength(told);
  });
});

describe("tickets while keys are rotated", () => {
  it("are all signed with a key that is published at that moment, for as long as they live", async () => {
    await using held = await holdConsole(["one"]);
    const { services, admin, consoleId } = held;
    const isolates = [services.context, isolateOf(services), isolateOf(services)];
    for (let round = 0; round < 6; round += 1) {
      const [rotating = services.context, ...issuing] = isolates;
      const mark = services.pushes.length;
      await Promise.all([
        rotate(rotating),
        ...issuing.map((context) => issue({ ...services, context }, admin, consoleId)),
      ]);
      const grants = services.pushes.slice(mark).map(({ command }) => command);
      for (const waitedMs of [0, TICKET_TTL_MS - 1]) {
        services.moveClock(waitedMs);
        const rows = await ensureSigningKeys(services.context);
        for (const command of grants) {
          const jws = command.kind === "grant" ? command.grant : "";
          const row = rows.find(({ kid }) => kid === decodeProtectedHeader(jws).kid);
          expect(row !== undefined && isAccepted(row, services.context.nowMs())).toBe(true);
          const jwk = { kty: "OKP", crv: "Ed25519", x: row?.publicKey ?? "" };
          await expect(compactVerify(jws, await importJWK(jwk, "EdDSA"))).resolves.toBeDefined();
        }
      }
      services.moveClock(PUBLISHED_MS_MIN / 2);
    }
  });
});
