/**
 * A relay's change of its identity key at the control plane: both keys must vouch for it, and
 * whatever step was the last one before a death, one of the relay's two keys is good.
 */
import { describe, expect, it } from "vitest";
import { loadKeysOfRelay } from "../../../worker/services/link-keys.ts";
import {
  KEY_OFFER_LIFE_MS,
  rotateTicketKey,
  takeKeyOffer,
  takeKeyUse,
} from "../../../worker/services/relay-keys.ts";
import { viewRelayKeys } from "../../../worker/services/relay-keys-view.ts";
import { authenticateRelay } from "../../../worker/services/relays.ts";
import { TICKET_TTL_MS } from "../../../worker/services/ticket-life.ts";
import { type ControlServices, startControlServices } from "../../harness/control-services.ts";
import {
  makeKeyedRelay,
  makeOffer,
  makeRelayKey,
  type RelayKey,
  signToken,
} from "./relay-keys-fixture.ts";
import { recordedEvents } from "../../harness/audit-trail.ts";

/** Whether the relay gets in with that key; getting in is a use of it. */
async function getsIn(services: ControlServices, relayId: string, key: RelayKey): Promise<boolean> {
  const token = await signToken(services, relayId, key);
  return (await authenticateRelay(services.context, token)).ok;
}

async function auditsOf(services: ControlServices, relayId: string) {
  const page = { relayId };
  const records = await recordedEvents(services.context, page);
  return records.map(({ event }) => event).toReversed();
}

async function begin() {
  const services = await startControlServices();
  const { relayId, key: old } = await makeKeyedRelay(services, "one");
  const next = await makeRelayKey();
  const offer = await makeOffer(services, { relayId, old, next });
  const end = () => services[Symbol.asyncDispose]();
  return { services, relayId, old, next, offer, [Symbol.asyncDispose]: end };
}

describe("a relay's new key", () => {
  it("gets in beside the old one once it was offered, and alone once it was used", async () => {
    await using scene = await begin();
    const { services, relayId, old, next, offer } = scene;
    expect(await getsIn(services, relayId, next)).toBe(false);
    expect(await takeKeyOffer(services.context, relayId, offer)).toMatchObject({ ok: true });
    expect(await getsIn(services, relayId, old)).toBe(true);
    expect(await getsIn(services, relayId, old)).toBe(true);
    const token = await signToken(services, relayId, next);
    expect(await takeKeyUse(services.context, relayId, token)).toMatchObject({ ok: true });
    expect(await getsIn(services, relayId, old)).toBe(false);
    expect(await getsIn(services, relayId, next)).toBe(true);
  });

  it("is used as well by the relay's coming back with it", async () => {
    await using scene = await begin();
    const { services, relayId, old, next, offer } = scene;
    await takeKeyOffer(services.context, relayId, offer);
    expect(await getsIn(services, relayId, next)).toBe(true);
    expect(await getsIn(services, relayId, old)).toBe(false);
  });

  it("is audited with both fingerprints, each step once, however often it is said", async () => {
    await using scene = await begin();
    const { services, relayId, next, offer } = scene;
    const { context } = services;
    const before = await viewRelayKeys(context, relayId);
    await takeKeyOffer(context, relayId, offer);
    await takeKeyOffer(context, relayId, offer);
    const during = await viewRelayKeys(context, relayId);
    services.moveClock(1);
    const token = await signToken(services, relayId, next);
    await takeKeyUse(context, relayId, token);
    expect(await takeKeyUse(context, relayId, token)).toMatchObject({ ok: true });
    const from = before.ok ? before.value.fingerprint : "";
    const to = during.ok ? during.value.nextFingerprint : "";
    expect(from).toMatch(/^SHA256:.{43}$/);
    expect(await auditsOf(services, relayId)).toEqual([
      { type: "relay.key-offered", data: { fingerprint: to } },
      { type: "relay.key-rotated", data: { from, to } },
    ]);
    expect(await viewRelayKeys(context, relayId)).toMatchObject({
      value: { fingerprint: to, nextFingerprint: null },
    });
  });

  it("must be vouched for by the old key and by itself, for this relay and control plane", async () => {
    await using scene = await begin();
    const { services, relayId, old, next } = scene;
    const stranger = await makeRelayKey();
    const other = await makeKeyedRelay(services, "two");
    const offers = [
      await makeOffer(services, { relayId, old, next }, { oldSigner: stranger }),
      await makeOffer(services, { relayId, old, next }, { newSigner: stranger }),
      await makeOffer(services, { relayId, old, next }, { audience: "https://other.test" }),
      await makeOffer(services, { relayId: other.relayId, old, next }),
      await makeOffer(services, { relayId, old, next: old }),
      { ...(await makeOffer(services, { relayId, old, next })), publicKey: stranger.x },
      { ...(await makeOffer(services, { relayId, old, next })), publicKey: "_".repeat(43) },
    ];
    for (const offer of offers) {
      const taken = await takeKeyOffer(services.context, relayId, offer);
      expect(taken).toMatchObject({ ok: false, error: { code: "relay.key-refused" } });
    }
    expect(await getsIn(services, relayId, next)).toBe(false);
    expect(await auditsOf(services, relayId)).toEqual([]);
  });

  it("is void when nobody used it for a week; the old one is good as before", async () => {
    await using scene = await begin();
    const { services, relayId, old, next, offer } = scene;
    await takeKeyOffer(services.context, relayId, offer);
    services.moveClock(KEY_OFFER_LIFE_MS);
    expect(await getsIn(services, relayId, next)).toBe(false);
    expect(await getsIn(services, relayId, old)).toBe(true);
    await takeKeyOffer(services.context, relayId, offer);
    expect(await getsIn(services, relayId, next)).toBe(true);
  });

  it("may be offered again as another one, when the relay has lost the first", async () => {
    await using scene = await begin();
    const { services, relayId, old, next, offer } = scene;
    await takeKeyOffer(services.context, relayId, offer);
    const third = await makeRelayKey();
    const second = await makeOffer(services, { relayId, old, next: third });
    expect(await takeKeyOffer(services.context, relayId, second)).toMatchObject({ ok: true });
    expect(await getsIn(services, relayId, next)).toBe(false);
    expect(await getsIn(services, relayId, third)).toBe(true);
  });

  it("does not count as used by a token that the old key signed, or a stranger's", async () => {
    await using scene = await begin();
    const { services, relayId, old, next, offer } = scene;
    await takeKeyOffer(services.context, relayId, offer);
    const byOld = await signToken(services, relayId, old);
    expect(await takeKeyUse(services.context, relayId, byOld)).toMatchObject({ ok: true });
    const byStranger = await signToken(services, relayId, await makeRelayKey());
    expect(await takeKeyUse(services.context, relayId, byStranger)).toMatchObject({
      error: { code: "relay.key-refused" },
    });
    expect(await getsIn(services, relayId, old)).toBe(true);
    expect(await getsIn(services, relayId, next)).toBe(true);
  });
});

describe("a relay's ticket key", () => {
  it("is another one afterwards; the one before is told of for as long as its tickets live", async () => {
    await using scene = await begin();
    const { services, relayId } = scene;
    const { context } = services;
    const admin = await services.makeCaller("admin", "admin");
    const keysNow = async () => (await loadKeysOfRelay(context, relayId))?.ticketKeys ?? [];
    const [first] = await keysNow();
    expect(await rotateTicketKey(context, admin, relayId)).toEqual({ ok: true, value: 2 });
    expect(services.toldKeys).toEqual([relayId]);
    const [newest, older, ...others] = await keysNow();
    expect(newest?.key).not.toBe(first?.key);
    expect(newest?.untilMs).toBeUndefined();
    expect(others).toEqual([]);
    expect(older).toMatchObject({ keyId: first?.keyId, key: first?.key, sealKey: first?.sealKey });
    const lifeMs = (older?.untilMs ?? 0) - context.nowMs();
    expect(lifeMs).toBeGreaterThan(TICKET_TTL_MS);
    services.moveClock(lifeMs);
    expect(await keysNow()).toEqual([newest]);
    expect(await auditsOf(services, relayId)).toEqual([
      { type: "relay.ticket-key-rotated", data: { epoch: 2 } },
    ]);
  });

  it("is not changed again while tickets of the one before are out, nor twice by a race", async () => {
    await using scene = await begin();
    const { services, relayId } = scene;
    const admin = await services.makeCaller("admin", "admin");
    const raced = await Promise.all(
      [1, 2, 3].map(() => rotateTicketKey(services.context, admin, relayId)),
    );
    expect(raced.filter(({ ok }) => ok)).toHaveLength(1);
    expect(await rotateTicketKey(services.context, admin, relayId)).toMatchObject({
      error: { code: "relay.ticket-key-too-young" },
    });
    services.moveClock(3_600_000);
    expect(await rotateTicketKey(services.context, admin, relayId)).toEqual({ ok: true, value: 3 });
    expect(await rotateTicketKey(services.context, admin, "rly_none")).toMatchObject({
      error: { code: "resource.not-found" },
    });
  });
});
