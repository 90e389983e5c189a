/**
 * Certificates for test servers: a CA and what it signs, written under the names that QEMU's
 * `x509-dir` wants (ca-cert.pem, server-cert.pem, server-key.pem). Keys are made anew each time.
 */
import "reflect-metadata";
import type { webcrypto } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";

/** What a server's certificate says. */
export interface ServerCertificateOptions {
  /** The subject's parts in order, such as [["O", "Example"], ["CN", "hv1.example.test"]]. */
  readonly subject?: readonly (readonly [attribute: string, value: string])[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  /** RSA with 2048 bits is what hypervisors usually have; P-256 is made faster. */
  readonly keyType?: "p256" | "rsa2048";
  /** Already expired, for tests that want a refusal. */
  readonly isExpired?: boolean;
}

/** A certificate on disk. */
export interface ServerCertificate {
  /** The folder for QEMU's `x509-dir`. */
  readonly folder: string;
  readonly caFile: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly certificatePem: string;
  readonly keyPem: string;
  /** The subject in the form of a `.vv` file's `host-subject`: "O=Example,CN=hv1.example.test". */
  readonly hostSubject: string;
}

/** A CA of one test. */
export interface TestCa {
  readonly certificatePem: string;
  /** Signs a certificate for a new key and writes both, and the CA's, into `folder`. */
  issue(folder: string, options?: ServerCertificateOptions): Promise<ServerCertificate>;
}

/** Makes a CA with a P-256 key. */
export async function makeCa(commonName = "Kerbside Test CA"): Promise<TestCa> {
  const keys = await makeKeys("p256");
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ O: ["Kerbside Test"] }, { CN: [commonName] }],
    keys,
    ...validity(false),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return {
    certificatePem: certificate.toString("pem"),
    issue: (folder, options = {}) => issue({ certificate, keys }, folder, options),
  };
}

/** One CA and one certificate of it: all that a test with a single TLS server needs. */
export async function makeServerCertificate(
  folder: string,
  options: ServerCertificateOptions = {},
): Promise<ServerCertificate> {
  const ca = await makeCa();
  return ca.issue(folder, options);
}

async function issue(
  ca: { readonly certificate: x509.X509Certificate; readonly keys: webcrypto.CryptoKeyPair },
  folder: string,
  options: ServerCertificateOptions,
): Promise<ServerCertificate> {
  const subject = options.subject ?? DEFAULT_SUBJECT;
  const keys = await makeKeys(options.keyType ?? "p256");
  const names: x509.JsonGeneralNames = [
    ...(options.dnsNames ?? ["localhost"]).map((value) => ({ type: "dns" as const, value })),
    ...(options.ipAddresses ?? ["127.0.0.1"]).map((value) => ({ type: "ip" as const, value })),
  ];
  const certificate = await x509.X509CertificateGenerator.create({
    subject: subject.map(([attribute, value]) => ({ [attribute]: [value] })),
    issuer: ca.certificate.subject,
    publicKey: keys.publicKey,
    signingKey: ca.keys.privateKey,
    ...validity(options.isExpired ?? false),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      await x509.AuthorityKeyIdentifierExtension.create(ca.certificate),
      ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
    ],
  });
  const keyDer = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return writeCertificate(folder, {
    caPem: ca.certificate.toString("pem"),
    certificatePem: certificate.toString("pem"),
    keyPem: x509.PemConverter.encode(keyDer, "PRIVATE KEY"),
    hostSubject: subject
      .map(([attribute, value]) => `${attribute}=${value.replaceAll(/[\\,]/g, "\\$&")}`)
      .join(","),
  });
}

async function writeCertificate(
  folder: string,
  pem: {
    readonly caPem: string;
    readonly certificatePem: string;
    readonly keyPem: string;
    readonly hostSubject: string;
  },
): Promise<ServerCertificate> {
  const caFile = join(folder, "ca-cert.pem");
  const certificateFile = join(folder, "server-cert.pem");
  const keyFile = join(folder, "server-key.pem");
  await mkdir(folder, { recursive: true });
  await writeFile(caFile, `${pem.caPem}\n`);
  await writeFile(certificateFile, `${pem.certificatePem}\n`);
  await writeFile(keyFile, `${pem.keyPem}\n`, { mode: 0o600 });
  return {
    folder,
    caFile,
    certificateFile,
    keyFile,
    certificatePem: pem.certificatePem,
    keyPem: pem.keyPem,
    hostSubject: pem.hostSubject,
  };
}

function makeKeys(keyType: "p256" | "rsa2048"): Promise<webcrypto.CryptoKeyPair> {
  const algorithm =
    keyType === "p256"
      ? { name: "ECDSA", namedCurve: "P-256" }
      : {
          name: "RSASSA-PKCS1-v1_5",
          hash: "SHA-256",
          modulusLength: 2048,
          publicExponent: Uint8Array.of(1, 0, 1),
        };
  return crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
}

/** From an hour (or two days) ago, so that clocks of the parts may differ a little. */
function validity(isExpired: boolean): { readonly notBefore: Date; readonly notAfter: Date } {
  const nowMs = Date.now();
  return isExpired
    ? { notBefore: new Date(nowMs - 2 * DAY_MS), notAfter: new Date(nowMs - DAY_MS) }
    : { notBefore: new Date(nowMs - HOUR_MS), notAfter: new Date(nowMs + DAY_MS) };
}

const DEFAULT_SUBJECT = [
  ["O", "Kerbside Test"],
  ["CN", "hypervisor.example.test"],
] as const;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
