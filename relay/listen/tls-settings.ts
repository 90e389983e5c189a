/**
 * How the relay speaks TLS to SPICE clients: versions, ciphers and groups that a scanner calls
 * modern, decided here and nowhere else. See docs/decisions/0011 for what was left out and why.
 */
import { constants, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";

/** PEM texts; `cert` holds the server's certificate and then its issuers. */
export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
}

/** What handshakes use; throws when the certificate does not fit its key or either is no PEM. */
export function makeServerContext(identity: TlsIdentity): SecureContext {
  return createSecureContext({
    cert: identity.cert,
    key: identity.key,
    minVersion: "TLSv1.2",
    maxVersion: "TLSv1.3",
    ciphers: CIPHERS.join(":"),
    ecdhCurve: GROUPS.join(":"),
    honorCipherOrder: true,
    secureOptions: SECURE_OPTIONS,
  });
}

/**
 * When the certificate ends, in milliseconds since 1970. Zero for what is no certificate: whoever
 * uses it will say so.
 */
export function certificateEndMs({ cert }: TlsIdentity): number {
  try {
    return new X509Certificate(cert).validToDate.getTime();
  } catch {
    return 0;
  }
}

/** Forward secret and authenticated only. AES first: with hardware support it costs the least. */
const CIPHERS = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
];

/** The first is hybrid with ML-KEM: what is recorded today stays secret from quantum computers. */
const GROUPS = ["X25519MLKEM768", "X25519", "P-256", "P-384"];

const SECURE_OPTIONS =
  // Why: TLS 1.2 lets a client renegotiate at will, which costs us far more than it costs it.
  constants.SSL_OP_NO_RENEGOTIATION |
  // Why: compression betrays secrets by lengths (CRIME).
  constants.SSL_OP_NO_COMPRESSION |
  // Why: no SPICE client resumes, another of our processes could not, and a ticket key that lives
  // as long as a process would open every recorded connection of that time.
  constants.SSL_OP_NO_TICKET |
  // Why: a client that puts ChaCha20 first has no AES in hardware.
  constants.SSL_OP_PRIORITIZE_CHACHA;
