/**
 * Certificate authorities that the Worker's outgoing connections trust besides the public ones: for
 * identity providers and clouds behind a private authority. `KERBSIDE_OUTBOUND_CA_FILE` names a PEM
 * file with one or more. Cloudflare has nothing like it, so this is a setting of hosts and not of
 * the Worker.
 */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { StartError } from "./state-folder.ts";

export interface OutboundCertificates {
  readonly file: string;
  /** Each certificate by itself, PEM. */
  readonly certificates: readonly string[];
}

/** Null when the setting is absent. @throws {StartError} when the file holds no authorities. */
export function readOutboundCertificates(
  environment: Readonly<Record<string, string | undefined>>,
): OutboundCertificates | null {
  const file = environment[OUTBOUND_CA_FILE] ?? "";
  if (file === "") {
    return null;
  }
  const certificates = readText(file).match(PEM_CERTIFICATE) ?? [];
  if (certificates.length === 0) {
    throw new StartError(`${OUTBOUND_CA_FILE}: ${file} holds no certificate in PEM form.`);
  }
  for (const [index, certificate] of certificates.entries()) {
    assertAuthority(certificate, `${OUTBOUND_CA_FILE}: certificate ${index + 1} of ${file}`);
  }
  return { file, certificates };
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const reason = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new StartError(`${OUTBOUND_CA_FILE}: ${file} cannot be read (${reason}).`);
  }
}

function assertAuthority(pem: string, what: string): void {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch {
    throw new StartError(`${what} cannot be read.`);
  }
  if (!certificate.ca) {
    throw new StartError(`${what} is no authority's: name the one that signed it.`);
  }
}

export const OUTBOUND_CA_FILE = "KERBSIDE_OUTBOUND_CA_FILE";
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
