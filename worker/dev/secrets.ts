/**
 * The secrets of a control plane, made once. One on this machine keeps them in its state folder
 * (0600), a deployment in its platform's secret store.
 */
import "reflect-metadata";
import { randomBytes, webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from "jose";
import { z } from "zod";
import { toBase64Url } from "#shared/base/bytes.ts";

export const secretsSchema = z.strictObject({
  TICKET_ROOT: z.string().length(43),
  /** Taken out by an operator who has sealed everything with a key of SECRETS_KEYS. */
  SECRETS_KEY: z.string().length(43).exactOptional(),
  /** Of no use any more once the database has signing keys. */
  GRANT_SIGNING_KEY: z.string().exactOptional(),
  CA_CERTIFICATE: z.string().startsWith("-----BEGIN CERTIFICATE-----"),
  /** Taken out once the database has it (keep-authority.ts). */
  CA_KEY: z.string().startsWith("-----BEGIN PRIVATE KEY-----").exactOptional(),
});

export type Secrets = z.infer<typeof secretsSchema>;
export type NewSecrets = { readonly [Name in keyof Secrets]-?: string };

/** New secrets: two random keys, a grant signing key, a certificate authority. */
export async function generateSecrets(nowMs: number): Promise<NewSecrets> {
  const authority = await generateAuthority(nowMs);
  return {
    TICKET_ROOT: toBase64Url(randomBytes(KEY_BYTES)),
    SECRETS_KEY: toBase64Url(randomBytes(KEY_BYTES)),
    GRANT_SIGNING_KEY: await generateSigningKey(),
    ...authority,
  };
}

async function generateSigningKey(): Promise<string> {
  const pair = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true });
  const jwk = await exportJWK(pair.privateKey);
  return JSON.stringify({ ...jwk, kid: await calculateJwkThumbprint(jwk) });
}

/** A new certificate authority with a key of its own. */
export async function generateAuthority(
  nowMs: number,
): Promise<Pick<NewSecrets, "CA_CERTIFICATE" | "CA_KEY">> {
  x509.cryptoProvider.set(webcrypto);
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: randomBytes(16).toString("hex").replace(/^./, "1"),
    name: "O=Kerbside,CN=Kerbside development authority",
    notBefore: new Date(nowMs - CLOCK_SKEW_MS),
    notAfter: new Date(nowMs + AUTHORITY_LIFETIME_MS),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  return {
    CA_CERTIFICATE: certificate.toString("pem"),
    CA_KEY: x509.PemConverter.encode(pkcs8, "PRIVATE KEY"),
  };
}

const KEY_BYTES = 32;
const CLOCK_SKEW_MS = 5 * 60 * 1000;
/** Ten years: a developer's authority is thrown away with its state folder. */
const AUTHORITY_LIFETIME_MS = 10 * 365 * 24 * 60 * 60 * 1000;
