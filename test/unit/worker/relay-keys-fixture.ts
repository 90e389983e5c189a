/** Relays' keys for tests of the services: made, given to a relay's row, and signing for it. */
import "reflect-metadata";
import { Pkcs10CertificateRequestGenerator } from "@peculiar/x509";
import { eq } from "drizzle-orm";
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from "jose";
import { toBase64Url, utf8 } from "#shared/base/bytes.ts";
import { RELAY_TOKEN_TYPE } from "#shared/control/enrolment.ts";
import { RELAY_TOKEN_SECONDS } from "#shared/control/limits.ts";
import { keyOfferStatement, type RelayRequest } from "#shared/control/relay-requests.ts";
import { relays } from "../../../worker/repositories/schema/relays.ts";
import type { ControlServices } from "../../harness/control-services.ts";

export interface RelayKey {
  readonly privateKey: CryptoKey;
  /** The `x` of its JWK. */
  readonly x: string;
}

export async function makeRelayKey(): Promise<RelayKey> {
  const pair = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true });
  const { x = "" } = await exportJWK(pair.publicKey);
  return { privateKey: pair.privateKey, x };
}

/** A relay that is online and proves itself by that key. */
export async function makeKeyedRelay(services: ControlServices, name: string) {
  const relayId = await services.makeRelay(name);
  const key = await makeRelayKey();
  await giveKey(services, relayId, key);
  return { relayId, key };
}

export async function giveKey(
  { context }: ControlServices,
  relayId: string,
  { x }: RelayKey,
): Promise<void> {
  await context.database.update(relays).set({ publicKey: x }).where(eq(relays.id, relayId));
}

/** The offer of a key to change to; each part can be another one, to spoil it. */
export async function makeOffer(
  services: ControlServices,
  of: { readonly relayId: string; readonly old: RelayKey; readonly next: RelayKey },
  spoilt: {
    readonly oldSigner?: RelayKey;
    readonly newSigner?: RelayKey;
    readonly audience?: string;
  } = {},
): Promise<Extract<RelayRequest, { kind: "offer-key" }>> {
  const statement = utf8(
    keyOfferStatement({
      audience: spoilt.audience ?? services.context.settings.publicUrl,
      relayId: of.relayId,
      oldKey: of.old.x,
      newKey: of.next.x,
    }),
  );
  const sign = async ({ privateKey }: RelayKey): Promise<string> =>
    toBase64Url(new Uint8Array(await crypto.subtle.sign("Ed25519", privateKey, statement)));
  return {
    kind: "offer-key",
    publicKey: of.next.x,
    oldSignature: await sign(spoilt.oldSigner ?? of.old),
    newSignature: await sign(spoilt.newSigner ?? of.next),
  };
}

/** As a relay proves itself with that key. */
export async function signToken(
  services: ControlServices,
  relayId: string,
  key: RelayKey,
): Promise<string> {
  const iat = Math.floor(services.context.nowMs() / 1000);
  return await new SignJWT({})
    .setProtectedHeader({ alg: "EdDSA", typ: RELAY_TOKEN_TYPE })
    .setSubject(relayId)
    .setAudience(services.context.settings.publicUrl)
    .setIssuedAt(iat)
    .setExpirationTime(iat + RELAY_TOKEN_SECONDS)
    .sign(key.privateKey);
}

export async function makeCsr(): Promise<string> {
  const signingAlgorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(signingAlgorithm, true, ["sign", "verify"]);
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: "CN=any",
    keys,
    signingAlgorithm,
  });
  return request.toString("pem");
}
