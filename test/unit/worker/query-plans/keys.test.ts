import { describe, it } from "vitest";
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
import { viewRelayKeys } from "../../../../worker/services/relay-keys-view.ts";
import { reencryptSecrets } from "../../../../worker/services/secrets-upkeep.ts";
import {
  keepSigningKeys,
  rotateSigningKeys,
} from "../../../../worker/services/signing-key-rotation.ts";
import { issueTicket } from "../../../../worker/services/tickets.ts";
import type { ControlServices } from "../../../harness/control-services.ts";
import { makeOwnCertificate } from "../own-certificate-fixture.ts";
import {
  makeCsr,
  makeKeyedRelay,
  makeOffer,
  makeRelayKey,
  signToken,
} from "../relay-keys-fixture.ts";
import { expectIndexed, makeConsole } from "./expect-indexed.ts";

describe("what is asked of the database about keys and certificates", () => {
  it("is answered through indexes, in the order that they keep", async () => {
    await expectIndexed(15, async (services, admin) => {
      const { context } = services;
      const { relayId, key } = await makeKeyedRelay(services, "relay");
      await issueTicket(context, admin, await makeConsole(services, admin));
      await keepSigningKeys(context);
      await rotateSigningKeys(context, admin, { isEmergency: true });
      await rotateTicketKey(context, admin, relayId);
      await changeRelayKey(services, { relayId, old: key, next: await makeRelayKey() });
      await changeCertificate(services, relayId);
      await viewRelayKeys(context, relayId);
      await reencryptSecrets(context, admin, null);
    });
  });
});

async function changeRelayKey(
  services: ControlServices,
  of: Parameters<typeof makeOffer>[1],
): Promise<void> {
  await takeKeyOffer(services.context, of.relayId, await makeOffer(services, of));
  const token = await signToken(services, of.relayId, of.next);
  await takeKeyUse(services.context, of.relayId, token);
}

async function changeCertificate(services: ControlServices, relayId: string): Promise<void> {
  const { context } = services;
  await renewRelayCertificate(context, relayId, await makeCsr());
  const own = await makeOwnCertificate({ nowMs: context.nowMs(), host: "relay.example" });
  await noteShownCertificate(context, relayId, { own, host: "relay.example" });
  await warnOfEndingCertificates(context);
  await noteShownCertificate(context, relayId, { own: null });
}
