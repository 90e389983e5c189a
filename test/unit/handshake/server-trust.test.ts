import { beforeAll, describe, expect, it } from "vitest";
import {
  namesCertificate,
  serverNameOf,
  trustAnchors,
} from "../../../relay/handshake/server-trust.ts";
import { makeCa } from "../../harness/certificates.ts";

let ca: string;
let otherCa: string;

beforeAll(async () => {
  ca = (await makeCa()).certificatePem;
  otherCa = (await makeCa()).certificatePem;
});

describe("the anchors of a target", () => {
  it("are shared by the connections of one CA, and by nobody else", () => {
    expect(trustAnchors(ca)).toBe(trustAnchors(ca));
    expect(trustAnchors(ca)).not.toBe(trustAnchors(otherCa));
    expect(trustAnchors(null)).not.toBe(trustAnchors(ca));
  });

  it("are forgotten, oldest use first, when too many CAs were met", () => {
    const kept = trustAnchors(ca);
    const dropped = trustAnchors(otherCa);
    for (let count = 0; count < 63; count += 1) {
      // The same certificate under other texts.
      trustAnchors(`${ca}${"\n".repeat(count + 1)}`);
      expect(trustAnchors(ca)).toBe(kept);
    }
    expect(trustAnchors(otherCa)).not.toBe(dropped);
  });

  it("are none in a text without a certificate", () => {
    expect(namesCertificate("")).toBe(false);
    expect(namesCertificate("-----BEGIN PRIVATE KEY-----")).toBe(false);
    expect(namesCertificate(ca)).toBe(true);
  });
});

describe("the name in SNI", () => {
  it.each(["hv1.example.test", "hv1", "xn--zrich-kva.example.test", "my_host.local"])(
    "is %s",
    (host) => {
      expect(serverNameOf(host)).toBe(host);
    },
  );

  it.each(["10.0.0.1", "::1", "pvespiceproxy:6921d3aa:101:pve1::0f0f", "-x", "a b", ""])(
    "is none for %j",
    (host) => {
      expect(serverNameOf(host)).toBeNull();
    },
  );
});
