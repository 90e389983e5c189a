/**
 * How a relay joins and proves itself: the body and answer of POST /api/v1/relays/enrol, and the
 * claims of the JWT that authorises each of its connections. Both ends check by these schemas.
 *
 * The relay makes both of its keys itself. It keeps the Ed25519 key that speaks for it, and a
 * second key pair whose certificate request it sends; the private halves never leave the relay.
 */
import { z } from "zod";

/** What a relay's name may be: it stands in certificates and .vv files, where `,` and `=` part. */
export const RELAY_NAME_PATTERN = /^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$/;

/** A DNS name or an IPv4 or IPv6 address, without brackets: what SPICE clients dial. */
export const RELAY_HOST_PATTERN =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:.]{2,45})$/;

/**
 * As {@link RELAY_HOST_PATTERN}, and truly one of the three: what looks like an address is one, so
 * that a certificate can name it.
 */
export const relayHostSchema = z
  .string()
  .regex(RELAY_HOST_PATTERN, { error: "must be a DNS name or an IP address", abort: true })
  .refine(isNameOrAddress, "must be a DNS name or an IP address");

/** A relay's Ed25519 public key: the `x` of its JWK. */
export const relayPublicKeySchema = z
  .string()
  .regex(/^[A-Za-z0-9_-]{43}$/, "the x of an Ed25519 JWK");

/** A PKCS 10 request in PEM, signed by its own key: ECDSA P-256, or RSA of 2048 to 4096 bits. */
export const certificateRequestSchema = z.string().max(16 * 1024);

/** POST /api/v1/relays/enrol; the join token alone authorises it. */
export const enrolRequestSchema = z.strictObject({
  joinToken: z.string().min(1).max(128),
  name: z.string().regex(RELAY_NAME_PATTERN, "lower-case letters, digits, dots and hyphens"),
  /** Where SPICE clients reach the relay. */
  host: relayHostSchema,
  tlsPort: z.int().min(1).max(65_535),
  publicKey: relayPublicKeySchema,
  csr: certificateRequestSchema,
});

export type EnrolRequest = z.infer<typeof enrolRequestSchema>;

/** 201. */
export const enrolAnswerSchema = z.object({
  relayId: z.string(),
  /** The audience of the relay's tokens, and where its hub is. */
  controlUrl: z.string(),
  /** The relay's TLS certificate for SPICE clients, PEM. */
  certificate: z.string(),
  /** The certificate authorities that clients trust, PEM; the first one signed it. */
  ca: z.string(),
  /** The certificate's subject as .vv files write it. */
  hostSubject: z.string(),
});

export type EnrolAnswer = z.infer<typeof enrolAnswerSchema>;

/** The JWT's protected header: `{ alg: "EdDSA", typ: RELAY_TOKEN_TYPE }`. */
export const RELAY_TOKEN_ALGORITHM = "EdDSA";
export const RELAY_TOKEN_TYPE = "kerbside-relay+jwt";

/** The JWT's claims; `exp` is at most RELAY_TOKEN_SECONDS after `iat` (whole seconds since 1970). */
export const relayTokenClaimsSchema = z.object({
  /** The relay's id. */
  sub: z.string().min(1).max(64),
  /** EnrolAnswer.controlUrl. */
  aud: z.string(),
  iat: z.int(),
  exp: z.int(),
});

function isNameOrAddress(host: string): boolean {
  if (host.includes(":")) {
    // The form with an IPv4 address in it is left out: @peculiar/x509 writes half of it.
    return !host.includes(".") && z.ipv6().safeParse(host).success;
  }
  return /^[0-9.]+$/.test(host)
    ? z.ipv4().safeParse(host).success
    : host.split(".").every((label) => DNS_LABEL.test(label));
}

/** RFC 1123, section 2.1. */
const DNS_LABEL = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
