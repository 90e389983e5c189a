/**
 * The control plane's small certificate authority: signs the certificates that relays show to SPICE
 * clients. Of a request it takes the public key and nothing else: subject and names are ours, so a
 * relay cannot ask for somebody else's. Where the authority's key comes from: authority-key.ts.
 */
// Why: @peculiar/x509 resolves its parts by decorators' metadata and throws without this polyfill.
import "reflect-metadata";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  AuthorityKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { toBase64Url, utf8 } from "#shared/base/bytes.ts";
import type { RandomBytes } from "#shared/base/ids.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";

export interface CertificateAuthority {
  /** PEM; of several certificates the first is the authority's, the others are trusted beside it. */
  readonly caCertificate: string;
  /** PKCS 8, PEM. */
  readonly caKey: string;
}

export interface RelayCertificateRequest {
  /** PKCS 10, PEM. */
  readonly csr: string;
  /** Matches RELAY_NAME_PATTERN, so nothing in it needs escaping. */
  readonly name: string;
  /** A DNS name or an IP address. */
  readonly host: string;
}

export interface RelayCertificate {
  /** PEM. */
  readonly certificate: string;
  /** Hexadecimal. */
  readonly serial: string;
  /** Milliseconds since 1970. */
  readonly endsAtMs: number;
  /** The subject as a .vv file writes it: in the certificate's own order, parted by commas. */
  readonly hostSubject: string;
}

/** The authority's name in the database: SHA-256 of its public key, base64url. */
export async function identifyAuthority(caCertificate: string): Promise<string> {
  const thumbprint = await signingCertificate({ caCertificate }).publicKey.getThumbprint("SHA-256");
  return toBase64Url(new Uint8Array(thumbprint));
}

/** Whether the key in PEM is that of the authority's certificate. */
export async function isKeyOf(caCertificate: string, caKey: string): Promise<boolean> {
  const ca = signingCertificate({ caCertificate });
  const algorithm = { ...ca.publicKey.algorithm, hash: "SHA-256" };
  try {
    const key = await importKey(ca, caKey);
    const signature = await crypto.subtle.sign(algorithm, key, PROBE);
    const publicKey = await ca.publicKey.export(algorithm, ["verify"]);
    return await crypto.subtle.verify(algorithm, publicKey, signature, PROBE);
  } catch {
    return false;
  }
}

/** Fails with `relay.csr-invalid` when the request, its signature or its key will not do. */
export async function signRelayCertificate(
  authority: CertificateAuthority,
  request: RelayCertificateRequest,
  moment: { readonly nowMs: number; readonly randomBytes: RandomBytes },
): Promise<Result<RelayCertificate, Failure>> {
  const csr = await readRequest(request.csr);
  if (!csr.ok) {
    return csr;
  }
  const ca = signingCertificate(authority);
  const notAfterMs = moment.nowMs + RELAY_CERTIFICATE_DAYS * DAY_MS;
  const certificate = await X509CertificateGenerator.create({
    serialNumber: newSerial(moment.randomBytes),
    // As JSON the names keep this order in the certificate; spice-gtk compares in order.
    subject: [{ O: [ORGANIZATION] }, { CN: [request.name] }],
    issuer: ca.subjectName,
    notBefore: new Date(moment.nowMs - BACKDATE_MS),
    notAfter: new Date(Math.min(notAfterMs, ca.notAfter.getTime())),
    publicKey: csr.value.publicKey,
    signingKey: await importKey(ca, authority.caKey),
    signingAlgorithm: { name: ca.publicKey.algorithm.name, hash: "SHA-256" },
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension([subjectAlternativeName(request.host)]),
      await SubjectKeyIdentifierExtension.create(csr.value.publicKey),
      await AuthorityKeyIdentifierExtension.create(ca.publicKey),
    ],
  });
  return ok({
    certificate: certificate.toString("pem"),
    serial: certificate.serialNumber,
    endsAtMs: certificate.notAfter.getTime(),
    hostSubject: `O=${ORGANIZATION},CN=${request.name}`,
  });
}

/**
 * Whether the relay should have a new certificate: the one it has is of an authority that signs no
 * more, names another host, or cannot be read.
 */
export async function isOutdated(
  authority: Pick<CertificateAuthority, "caCertificate">,
  relay: { readonly certificate: string; readonly host: string },
): Promise<boolean> {
  try {
    const certificate = new X509Certificate(relay.certificate);
    const { publicKey } = signingCertificate(authority);
    const wanted = new SubjectAlternativeNameExtension([subjectAlternativeName(relay.host)]);
    const names = certificate.getExtension(SubjectAlternativeNameExtension);
    const isOfHost = names?.names.toString("hex") === wanted.names.toString("hex");
    return !isOfHost || !(await certificate.verify({ publicKey, signatureOnly: true }));
  } catch {
    return true;
  }
}

function signingCertificate(
  authority: Pick<CertificateAuthority, "caCertificate">,
): X509Certificate {
  const [der] = PemConverter.decode(authority.caCertificate);
  if (der === undefined) {
    throw new Error("The setting CA_CERTIFICATE must be one or more certificates in PEM.");
  }
  return new X509Certificate(der);
}

async function readRequest(pem: string): Promise<Result<Pkcs10CertificateRequest, Failure>> {
  let csr: Pkcs10CertificateRequest;
  try {
    csr = new Pkcs10CertificateRequest(pem);
    if (!(await csr.verify())) {
      return refuseRequest("its signature does not match its key");
    }
  } catch {
    return refuseRequest("it is not a certificate request in PEM");
  }
  return isStrongKey(csr.publicKey.algorithm)
    ? ok(csr)
    : refuseRequest("its key is neither ECDSA P-256 nor RSA of 2048 to 4096 bits");
}

/** Keys that every TLS library of SPICE clients takes and that nobody can break today. */
function isStrongKey(algorithm: { readonly name: string }): boolean {
  if (algorithm.name === "ECDSA") {
    return "namedCurve" in algorithm && algorithm.namedCurve === "P-256";
  }
  return (
    algorithm.name.startsWith("RSA") &&
    "modulusLength" in algorithm &&
    typeof algorithm.modulusLength === "number" &&
    algorithm.modulusLength >= RSA_BITS_MIN &&
    algorithm.modulusLength <= RSA_BITS_MAX
  );
}

/** Its type by what it calls: Node's types and the Workers' name a key differently. */
async function importKey(
  ca: X509Certificate,
  pem: string,
): ReturnType<typeof crypto.subtle.importKey> {
  const algorithm = { ...ca.publicKey.algorithm, hash: "SHA-256" };
  const [der] = PemConverter.decode(pem);
  if (der === undefined) {
    throw new Error("The setting CA_KEY must be a PKCS 8 key in PEM.");
  }
  return await crypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]);
}

function subjectAlternativeName(host: string): { type: "ip" | "dns"; value: string } {
  const isAddress = host.includes(":") || /^\d{1,3}(?:\.\d{1,3}){3}$/.test(host);
  return { type: isAddress ? "ip" : "dns", value: host };
}

/** Positive and without a leading zero byte, as DER and RFC 5280 want it. */
function newSerial(randomBytes: RandomBytes): string {
  const [first = 0, ...rest] = randomBytes(SERIAL_BYTES);
  return [(first & 0x7f) | 0x40, ...rest]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}

function refuseRequest(detail: string): Result<never, Failure> {
  return fail({ code: "relay.csr-invalid", detail });
}

/** How long a relay's certificate is good for: little more than a year, as public ones were. */
export const RELAY_CERTIFICATE_DAYS = 397;
/** What a key signs to show whose it is. */
const PROBE = utf8("kerbside authority");
const ORGANIZATION = "Kerbside";
const DAY_MS = 24 * 60 * 60 * 1000;
/** Clients' clocks may be behind ours. */
const BACKDATE_MS = 5 * 60_000;
/** 126 random bits: unique without a counter. */
const SERIAL_BYTES = 16;
const RSA_BITS_MIN = 2048;
const RSA_BITS_MAX = 4096;
