/** A certificate authority for tests inside workerd. */
import "reflect-metadata";
import { X509CertificateGenerator } from "@peculiar/x509";

/** PEM of a self-signed certificate. */
export async function generateTestCa(): Promise<string> {
  const signingAlgorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(signingAlgorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: "CN=Test CA",
    keys: keys as CryptoKeyPair,
    signingAlgorithm,
  });
  return certificate.toString("pem");
}
