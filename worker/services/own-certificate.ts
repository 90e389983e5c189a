/**
 * Judges a certificate that a relay's operator brought: whether clients that get it named in a
 * console file would accept it. What is wrong is a sentence for the operator; nothing is stored.
 */
// Why: @peculiar/x509 resolves its parts by decorators' metadata and throws without this polyfill.
import "reflect-metadata";
import {
  PemConverter,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509ChainBuilder,
} from "@peculiar/x509";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { OwnCertificate } from "#shared/control/relay-requests.ts";
import { type SubjectEntry, writeHostSubject } from "#shared/spice/host-subject.ts";

/** What console files and the audit trail say of it. */
export interface OwnCertificateFacts {
  /** In a .vv file's notation; null when it has none, so that clients go by its names. */
  readonly hostSubject: string | null;
  readonly serial: string;
  readonly endsAtMs: number;
}

/** @param host what clients dial: a DNS name or an IP address without brackets. */
export async function judgeOwnCertificate(
  own: OwnCertificate,
  host: string,
  nowMs: number,
): Promise<Result<OwnCertificateFacts, string>> {
  const chain = readCertificates(own.chain);
  const [leaf, ...issuers] = chain ?? [];
  const anchors = own.ca === null ? [] : readCertificates(own.ca);
  if (leaf === undefined) {
    return fail("the certificate's file is not one to 16 certificates in PEM");
  }
  if (anchors === null) {
    return fail("the authorities' file is not one to 16 certificates in PEM");
  }
  const { notBefore, notAfter, serialNumber: serial } = leaf;
  if (nowMs >= notAfter.getTime()) {
    return fail(`it ended at ${notAfter.toISOString()}`);
  }
  if (nowMs + CLOCK_TOLERANCE_MS < notBefore.getTime()) {
    return fail(`it begins at ${notBefore.toISOString()} only`);
  }
  if (!isNamed(leaf, host)) {
    return fail(`it does not name ${host}, where clients reach the relay`);
  }
  if (own.ca !== null && !(await isAnchored(leaf, issuers, anchors))) {
    return fail("no authority of the authorities' file vouches for it");
  }
  const subject = subjectOf(leaf);
  if (subject === null) {
    return fail("its subject has several attributes in one place, which console files cannot say");
  }
  const hostSubject = subject.length === 0 ? null : writeHostSubject(subject);
  return ok({ hostSubject, serial, endsAtMs: notAfter.getTime() });
}

function readCertificates(pem: string): X509Certificate[] | null {
  try {
    const certificates = PemConverter.decode(pem).map((der) => new X509Certificate(der));
    const isBounded = certificates.length > 0 && certificates.length <= CERTIFICATES_MAX;
    return isBounded ? certificates : null;
  } catch {
    return null;
  }
}

/** Whether an anchor is among those who signed for it, or it is one itself. */
async function isAnchored(
  leaf: X509Certificate,
  issuers: readonly X509Certificate[],
  anchors: readonly X509Certificate[],
): Promise<boolean> {
  try {
    const builder = new X509ChainBuilder({ certificates: [...issuers, ...anchors] });
    const path = await builder.build(leaf);
    return path.some((certificate) => anchors.some((anchor) => anchor.equal(certificate)));
  } catch {
    // Certificates that sign for each other in a circle.
    return false;
  }
}

/** By its alternative names alone: no client looks at the common name for a host any more. */
function isNamed(leaf: X509Certificate, host: string): boolean {
  const names = leaf.getExtension(SubjectAlternativeNameExtension)?.names.items ?? [];
  return names.some(({ type, value }) => {
    if (type === "ip") {
      return canonicalAddress(value) === canonicalAddress(host);
    }
    return type === "dns" && matchesName(value.toLowerCase(), host.toLowerCase());
  });
}

/** RFC 6125, section 6.4.3: a star stands for the whole of the first label. */
function matchesName(pattern: string, host: string): boolean {
  if (!pattern.startsWith("*.")) {
    return pattern === host;
  }
  const [, ...rest] = host.split(".");
  return rest.length > 1 && pattern.slice(2) === rest.join(".");
}

function canonicalAddress(address: string): string {
  const url = `http://${address.includes(":") ? `[${address}]` : address}/`;
  return URL.canParse(url) ? new URL(url).hostname : address;
}

/** Null when a set holds several attributes. */
function subjectOf(leaf: X509Certificate): SubjectEntry[] | null {
  const entries: SubjectEntry[] = [];
  for (const set of leaf.subjectName.toJSON()) {
    const attributes = Object.entries(set).flatMap(([type, values]) =>
      values.map((value): SubjectEntry => [OPENSSL_NAMES[type] ?? type, value]),
    );
    const [only, ...others] = attributes;
    if (only === undefined || others.length > 0) {
      return null;
    }
    entries.push(only);
  }
  return entries;
}

/** @peculiar/x509's names for attributes where OpenSSL, which reads a .vv file, has others. */
const OPENSSL_NAMES: Readonly<Record<string, string>> = {
  E: "emailAddress",
  G: "GN",
  I: "initials",
  T: "title",
};
const CERTIFICATES_MAX = 16;
/** As a relay's clock may differ from ours. */
const CLOCK_TOLERANCE_MS = 5 * 60_000;
