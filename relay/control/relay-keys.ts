/**
 * The keys that a relay makes for itself and never sends: its Ed25519 identity and the P-256 key of
 * its TLS certificate, with the request that a CA signs.
 */
import "reflect-metadata";
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  webcrypto,
} from "node:crypto";
import { Pkcs10CertificateRequestGenerator, PemConverter } from "@peculiar/x509";
import { assert } from "#shared/base/assert.ts";

export interface RelayKeys {
  /** PKCS 8, PEM. */
  readonly identityKey: string;
  /** The public half: the `x` of its JWK. */
  readonly publicKey: string;
  /** SHA-256 of the public half, for people to compare. */
  readonly fingerprint: string;
  readonly tlsKey: string;
  /** PKCS 10, PEM. The CA decides the subject and names; the request proves the key. */
  readonly csr: string;
}

/** Makes all keys of one relay; takes a few milliseconds. */
export async function makeRelayKeys(name: string): Promise<RelayKeys> {
  const identityKey = await makeIdentityKey();
  const publicKey = publicKeyOf(createPrivateKey(identityKey));
  const fingerprint = fingerprintOf(publicKey);
  return { identityKey, publicKey, fingerprint, ...(await makeTlsRequest(name)) };
}

/** A new Ed25519 key, PKCS 8 in PEM. */
export async function makeIdentityKey(): Promise<string> {
  // An Ed25519 key is always a pair; the declarations say so only for the older algorithms.
  const pair = (await webcrypto.subtle.generateKey("Ed25519", true, [
    "sign",
    "verify",
  ])) as webcrypto.CryptoKeyPair;
  return await exportPem(pair.privateKey);
}

/** The public half of an Ed25519 key: the `x` of its JWK. */
export function publicKeyOf(identityKey: KeyObject): string {
  const { x } = createPublicKey(identityKey).export({ format: "jwk" });
  assert(x !== undefined, "an Ed25519 JWK has x");
  return x;
}

/** SHA-256 of a public half, for people to compare. */
export function fingerprintOf(publicKey: string): string {
  const bytes = Buffer.from(publicKey, "base64url");
  return `SHA256:${createHash("sha256").update(bytes).digest("base64url")}`;
}

/** A new key for TLS, and the request that a CA signs. */
export async function makeTlsRequest(name: string): Promise<Pick<RelayKeys, "tlsKey" | "csr">> {
  const tls = await webcrypto.subtle.generateKey(TLS_KEY_ALGORITHM, true, ["sign", "verify"]);
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [name] }],
    keys: tls,
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
  });
  return { tlsKey: await exportPem(tls.privateKey), csr: request.toString("pem") };
}

async function exportPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = await webcrypto.subtle.exportKey("pkcs8", key);
  return `${PemConverter.encode(der, "PRIVATE KEY")}\n`;
}

/** Fast to make and to use, and known to every client's TLS library. */
const TLS_KEY_ALGORITHM = { name: "ECDSA", namedCurve: "P-256" } as const;
