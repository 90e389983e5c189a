/**
 * A certificate that the operator brought: read from his files, checked here as far as one can
 * without the control plane, and read again when the files change. Failures are sentences for him.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { type OwnCertificate, ownCertificateSchema } from "#shared/control/relay-requests.ts";
import { makeServerContext, type TlsIdentity } from "../listen/tls-settings.ts";
import { reasonOf } from "./state-folder.ts";

/** Where it is. */
export interface OwnCertificateFiles {
  /** PEM: the certificate and then its issuers. */
  readonly certificate: string;
  readonly key: string;
  /** PEM of the authorities that clients are to trust; `public`: theirs; null: the chain's root. */
  readonly ca: string | null;
}

export interface OwnIdentity {
  readonly tls: TlsIdentity;
  /** What the control plane is told. */
  readonly report: OwnCertificate;
}

/** The value of `--certificate-ca` for authorities that clients trust without being told. */
export const PUBLIC_AUTHORITIES = "public";

export async function readOwnCertificate(
  files: OwnCertificateFiles,
): Promise<Result<OwnIdentity, string>> {
  const [cert, key] = await Promise.all([read(files.certificate), read(files.key)]);
  if (!cert.ok || !key.ok) {
    return cert.ok ? (key as { readonly ok: false; readonly error: string }) : cert;
  }
  const tls = { cert: cert.value, key: key.value };
  const mismatch = findMismatch(tls, files);
  if (mismatch !== null) {
    return fail(mismatch);
  }
  const ca = await readAuthorities(tls.cert, files);
  if (!ca.ok) {
    return ca;
  }
  const report = { chain: tls.cert, ca: ca.value };
  return ownCertificateSchema.safeParse(report).success
    ? ok({ tls, report })
    : fail(`${files.certificate} and its authorities may have 32 KiB each at most.`);
}

function findMismatch(tls: TlsIdentity, files: OwnCertificateFiles): string | null {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(tls.cert);
  } catch {
    return `${files.certificate} is not a certificate in PEM.`;
  }
  try {
    if (!certificate.checkPrivateKey(createPrivateKey(tls.key))) {
      return `${files.key} is not the key of ${files.certificate}.`;
    }
  } catch {
    return `${files.key} is not a private key in PEM without a passphrase.`;
  }
  try {
    makeServerContext(tls);
    return null;
  } catch {
    return `${files.certificate} cannot be used for TLS with ${files.key}.`;
  }
}

async function readAuthorities(
  chain: string,
  files: OwnCertificateFiles,
): Promise<Result<string | null, string>> {
  if (files.ca === PUBLIC_AUTHORITIES) {
    return ok(null);
  }
  if (files.ca !== null) {
    const text = await read(files.ca);
    return !text.ok || isCertificate(text.value)
      ? text
      : fail(`${files.ca} holds no certificate in PEM.`);
  }
  const root = chain.match(CERTIFICATE_BLOCK)?.at(-1) ?? "";
  return isSelfSigned(root)
    ? ok(root)
    : fail(
        `${files.certificate} does not end with its root: name by --certificate-ca the file of ` +
          `the authority that clients are to trust, or "${PUBLIC_AUTHORITIES}" when they do anyway.`,
      );
}

async function read(path: string): Promise<Result<string, string>> {
  try {
    return ok(await readFile(path, "utf8"));
  } catch (error) {
    return fail(`${path} cannot be read: ${reasonOf(error)}.`);
  }
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== null;
  } catch {
    return false;
  }
}

function isSelfSigned(pem: string): boolean {
  try {
    const certificate = new X509Certificate(pem);
    return certificate.verify(certificate.publicKey);
  } catch {
    return false;
  }
}

const CERTIFICATE_BLOCK = /-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----/gs;
