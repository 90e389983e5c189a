/**
 * The keys that a relay makes for itself and never sends: its Ed25519 identity and the P-256 key of
 * its TLS certificate, with the request that a CA signs.
 */
import "reflect-metadata";
import { createHash, webcrypto } from "node:crypto";
import { Pkcs10CertificateRequestGenerator, PemConverter } from "@peculiar/x509";
import { toBase64Url } from "#shared/base/bytes.ts";

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
  // An Ed25519 key is always a pair; the declarations say so only for the older algorithms.
  const identity = (await webcrypto.subtle.generateKey("Ed25519", true, [
    "sign",
    "verify",
  ])) as webcrypto.CryptoKeyPair;
  const publicKey = new Uint8Array(await webcrypto.subtle.exportKey("raw", identity.publicKey));
  const tls = await webcrypto.subtle.generateKey(TLS_KEY_ALGORITHM, true, ["sign", "verify"]);
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [name] }],
    keys: tls,
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
  });
  return {
    identityKey: await exportPem(identity.privateKey),
    publicKey: toBase64Url(publicKey),
    fingerprint: `SHA256:${createHash("sha256").update(publicKey).digest("base64url")}`,
    tlsKey: await exportPem(tls.privateKey),
    csr: request.toString("pem"),
  };
}

async function exportPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = await webcrypto.subtle.exportKey("pkcs8", key);
  return `${PemConverter.encode(der, "PRIVATE KEY")}\n`;
}

/** Fast to make and to use, and known to every client's TLS library. */
const TLS_KEY_ALGORITHM = { name: "ECDSA", namedCurve: "P-256" } as const;
