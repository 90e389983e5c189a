/** Certificates as an operator's authority signs them, by a clock of the test's own. */
import "reflect-metadata";
import type { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";
import type { OwnCertificate } from "#shared/control/relay-requests.ts";

export interface OwnCertificateOptions {
  /** Among its names. */
  readonly host: string;
  readonly isNameless?: boolean;
  readonly nowMs: number;
  /** A year, unless told otherwise. */
  readonly lifeMs?: number | undefined;
  readonly subject?: x509.JsonName;
  /** An authority between the root and it. */
  readonly hasIntermediate?: boolean;
  /** Nothing is handed in as trusted: it is of a public authority. */
  readonly isPublic?: boolean;
}

interface Authority {
  readonly certificate: x509.X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
}

export async function makeOwnCertificate(options: OwnCertificateOptions): Promise<OwnCertificate> {
  const { nowMs, lifeMs = 365 * DAY_MS, host, subject = [{ O: ["Operator"] }] } = options;
  const root = await makeAuthority("Operator's root", nowMs, null);
  const issuer =
    options.hasIntermediate === true ? await makeAuthority("Middle", nowMs, root) : root;
  const keys = await makeKeys();
  const isAddress = /^[0-9.:a-f]+$/i.test(host);
  const leaf = await x509.X509CertificateGenerator.create({
    subject,
    issuer: issuer.certificate.subjectName,
    publicKey: keys.publicKey,
    signingKey: issuer.keys.privateKey,
    notBefore: new Date(nowMs - DAY_MS),
    notAfter: new Date(nowMs + lifeMs),
    extensions:
      options.isNameless === true
        ? []
        : [
            new x509.SubjectAlternativeNameExtension([
              { type: "dns", value: "other.example" },
              { type: isAddress ? "ip" : "dns", value: host },
            ]),
          ],
  });
  const chain = [leaf, ...(issuer === root ? [] : [issuer.certificate])];
  return {
    chain: chain.map((certificate) => certificate.toString("pem")).join("\n"),
    ca: options.isPublic === true ? null : root.certificate.toString("pem"),
  };
}

async function makeAuthority(
  name: string,
  nowMs: number,
  parent: Authority | null,
): Promise<Authority> {
  const keys = await makeKeys();
  const certificate = await x509.X509CertificateGenerator.create({
    subject: [{ CN: [name] }],
    issuer: parent?.certificate.subjectName ?? [{ CN: [name] }],
    publicKey: keys.publicKey,
    signingKey: (parent?.keys ?? keys).privateKey,
    notBefore: new Date(nowMs - DAY_MS),
    notAfter: new Date(nowMs + 3_650 * DAY_MS),
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  return { certificate, keys };
}

async function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  return await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
}

const DAY_MS = 24 * 3_600_000;
