/** Checks PEM bundles that callers hand in, before anything depends on them. */
import "reflect-metadata";
import { X509Certificate } from "@peculiar/x509";

/** Whether `pem` holds certificates that can be read, and nothing else but white space. */
export function isCertificateBundle(pem: string): boolean {
  const blocks = pem.match(CERTIFICATE_BLOCK);
  if (blocks === null || blocks.length > CERTIFICATES_MAX) {
    return false;
  }
  return pem.replace(CERTIFICATE_BLOCK, "").trim() === "" && blocks.every(isCertificate);
}

function isCertificate(block: string): boolean {
  try {
    return new X509Certificate(block).serialNumber !== "";
  } catch {
    return false;
  }
}

const CERTIFICATE_BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;
/** A private authority's chain has two or three; reading each costs time. */
const CERTIFICATES_MAX = 16;
