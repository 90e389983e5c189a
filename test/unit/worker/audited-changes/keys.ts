/** Changes of keys, certificates and sealed secrets, and what the audit trail tells of them. */
import { randomBytes } from "node:crypto";
import { sql } from "drizzle-orm";
import { keepAuthorityKey } from "../../../../worker/services/authority-key.ts";
import { SYSTEM_CALLER } from "../../../../worker/services/audit-record.ts";
import { createConsole } from "../../../../worker/services/consoles.ts";
import {
  noteShownCertificate,
  renewRelayCertificate,
  warnOfEndingCertificates,
} from "../../../../worker/services/relay-certificates.ts";
import {
  rotateTicketKey,
  takeKeyOffer,
  takeKeyUse,
} from "../../../../worker/services/relay-keys.ts";
import { reencryptSecrets } from "../../../../worker/services/secrets-upkeep.ts";
import { PUBLISHED_MS_MIN } from "../../../../worker/services/signing-key-rules.ts";
import { rotateSigningKeys } from "../../../../worker/services/signing-key-rotation.ts";
import { ensureSigningKeys } from "../../../../worker/services/signing-keys.ts";
import { makeOwnCertificate } from "../own-certificate-fixture.ts";
import {
  giveKey,
  makeCsr,
  makeOffer,
  makeRelayKey,
  type RelayKey,
  signToken,
} from "../relay-keys-fixture.ts";
import { CONSOLE, type Scene } from "../audit-scene.ts";
import type { Changes } from "./change.ts";

/** Keys of the tests' relay, known before it is made. */
const OLD_KEY: Promise<RelayKey> = makeRelayKey();
const NEXT_KEY: Promise<RelayKey> = makeRelayKey();

const offerOf = async ({ services, relayId }: Scene) =>
  await makeOffer(services, { relayId, old: await OLD_KEY, next: await NEXT_KEY });

const ownOf = async ({ context }: Scene, lifeMs?: number) =>
  await makeOwnCertificate({ host: "relay.relay.test", nowMs: context.nowMs(), lifeMs });

export const KEYS_CHANGES: Changes = {
  "the first signing keys": {
    tells: ["signing-key.activated", "signing-key.created"],
    before: async ({ context }) => {
      await context.database.run(sql`DELETE FROM signing_keys`);
    },
    make: ({ context }) => ensureSigningKeys(context),
  },
  "a rotated signing key": {
    tells: ["signing-key.activated", "signing-key.created", "signing-key.retired"],
    before: ({ services }) => services.moveClock(PUBLISHED_MS_MIN),
    make: ({ context }) => rotateSigningKeys(context, SYSTEM_CALLER, { isEmergency: false }),
  },
  "signing keys rotated in an emergency": {
    tells: ["signing-key.activated", "signing-key.created", "signing-key.retired"],
    also: ["ticket.withdrawn"],
    make: ({ context }) => rotateSigningKeys(context, SYSTEM_CALLER, { isEmergency: true }),
  },
  "the certificate authority's key": {
    tells: ["authority.key-stored"],
    make: ({ context }) => keepAuthorityKey(context),
  },
  "a relay's ticket key": {
    tells: ["relay.ticket-key-rotated"],
    make: ({ context, admin, relayId }) => rotateTicketKey(context, admin, relayId),
  },
  "a relay's offered key": {
    tells: ["relay.key-offered"],
    before: async ({ services, relayId }) => await giveKey(services, relayId, await OLD_KEY),
    make: async (scene) => takeKeyOffer(scene.context, scene.relayId, await offerOf(scene)),
  },
  "a relay's used key": {
    tells: ["relay.key-rotated"],
    before: async (scene) => {
      await giveKey(scene.services, scene.relayId, await OLD_KEY);
      await takeKeyOffer(scene.context, scene.relayId, await offerOf(scene));
    },
    make: async ({ services, context, relayId }) =>
      takeKeyUse(context, relayId, await signToken(services, relayId, await NEXT_KEY)),
  },
  "a relay's renewed certificate": {
    tells: ["relay.certificate-renewed"],
    before: ({ context }) => keepAuthorityKey(context),
    make: async ({ context, relayId }) => renewRelayCertificate(context, relayId, await makeCsr()),
  },
  "an operator's certificate": {
    tells: ["relay.certificate-reported"],
    make: async (scene) =>
      noteShownCertificate(scene.context, scene.relayId, { own: await ownOf(scene) }),
  },
  "an operator's certificate that is of no use": {
    tells: ["relay.certificate-refused"],
    make: ({ context, relayId }) =>
      noteShownCertificate(context, relayId, { own: { chain: "none", ca: null } }),
  },
  "an operator's certificate that is not shown any more": {
    tells: ["relay.certificate-reverted"],
    before: async (scene) => {
      const own = await ownOf(scene);
      await noteShownCertificate(scene.context, scene.relayId, { own });
    },
    make: ({ context, relayId }) => noteShownCertificate(context, relayId, { own: null }),
  },
  "a warning of a certificate's end": {
    tells: ["relay.certificate-expiring"],
    before: async (scene) => {
      const own = await ownOf(scene, 24 * 3_600_000);
      await noteShownCertificate(scene.context, scene.relayId, { own });
    },
    make: ({ context }) => warnOfEndingCertificates(context),
  },
  "secrets sealed again": {
    tells: ["secrets.reencrypted"],
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
  "tickets of keys rotated in an emergency": {
    tells: ["ticket.withdrawn"],
    also: ["signing-key.activated", "signing-key.created", "signing-key.retired"],
    looksAt: "SELECT count(*) FROM tickets WHERE withdrawn_at_ms IS NOT NULL",
    make: ({ context }) => rotateSigningKeys(context, SYSTEM_CALLER, { isEmergency: true }),
  },
};
