import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { describe, expect, it } from "vitest";
import { matchesSubject } from "#shared/spice/host-subject.ts";
import { certificateSubject } from "../../../relay/handshake/certificate-subject.ts";

async function makeDer(name: x509.JsonName): Promise<Uint8Array> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name,
    keys: keys as Parameters<typeof x509.X509CertificateGenerator.createSelfSigned>[0]["keys"],
  });
  return new Uint8Array(certificate.rawData);
}

describe("a certificate's subject", () => {
  it("is read in its own order, with types as numbers and values decoded", async () => {
    const der = await makeDer([
      { C: ["AU"] },
      { O: ["Zürich, Inc"] },
      { OU: ["a"] },
      { OU: ["b"] },
      { DC: ["test"] },
      { CN: ["hv1.example.test"] },
    ]);
    const subject = certificateSubject(der);
    expect(subject).toEqual([
      ["2.5.4.6", "AU"],
      ["2.5.4.10", "Zürich, Inc"],
      ["2.5.4.11", "a"],
      ["2.5.4.11", "b"],
      ["0.9.2342.19200300.100.1.25", "test"],
      ["2.5.4.3", "hv1.example.test"],
    ]);
    const wanted = "C=AU,O=Zürich\\, Inc,OU=a,OU=b,DC=test,CN=hv1.example.test";
    expect(matchesSubject(wanted, subject ?? [])).toBe(true);
  });

  it("is null when several attributes share a set", async () => {
    expect(certificateSubject(await makeDer([{ O: ["Example"], CN: ["hv1"] }]))).toBeNull();
    expect(certificateSubject(await makeDer([{ O: ["Example", "Other"] }]))).toBeNull();
  });

  it("is empty for an empty subject", async () => {
    expect(certificateSubject(await makeDer([]))).toEqual([]);
  });

  it("is null for every truncation, and never throws for an altered byte", async () => {
    const der = await makeDer([{ O: ["Example"] }, { CN: ["hv1"] }]);
    for (let cut = 0; cut < der.length; cut += 1) {
      expect(certificateSubject(der.subarray(0, cut))).toBeNull();
    }
    for (let at = 0; at < der.length; at += 1) {
      const altered = Uint8Array.from(der);
      altered[at] = (altered[at] ?? 0) ^ 0xff;
      expect(() => certificateSubject(altered)).not.toThrow();
    }
  });
});
