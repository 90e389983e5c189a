/**
 * Whom we trust to be the hypervisor: the chain must lead to the target's own CA (to the public
 * roots only when the target names none), and the certificate must be the host's, or have the
 * target's subject in the host name's stead. Fails closed. Must not see a password: what is made
 * here lives as long as the connection.
 */
import { isIP } from "node:net";
import {
  checkServerIdentity,
  createSecureContext,
  type PeerCertificate,
  type SecureContext,
} from "node:tls";
import { matchesSubject } from "#shared/spice/host-subject.ts";
import { certificateSubject } from "./certificate-subject.ts";

/** Judges a verified certificate, and remembers whether its subject was what it lacked. */
export interface IdentityCheck {
  readonly check: (host: string, certificate: PeerCertificate) => Error | undefined;
  readonly hasSubjectMismatch: () => boolean;
}

/** Whether the text holds a certificate at all: to Node an empty CA means the public roots. */
export function namesCertificate(ca: string): boolean {
  return ca.includes(PEM_CERTIFICATE);
}

/**
 * The anchors for a target's CA, or the public roots for null. Contexts are shared by the
 * connections of one CA, because a parsed CA costs more memory than a channel.
 * @throws what OpenSSL says of a CA that it cannot read.
 */
export function trustAnchors(ca: string | null): SecureContext {
  const name = ca ?? "";
  const known = CONTEXTS.get(name);
  const context =
    known ?? createSecureContext({ minVersion: "TLSv1.2", ...(ca === null ? {} : { ca }) });
  // Last in the map is what was used last.
  CONTEXTS.delete(name);
  CONTEXTS.set(name, context);
  const oldest = CONTEXTS.keys().next();
  if (CONTEXTS.size > CONTEXTS_MAX && oldest.done !== true) {
    CONTEXTS.delete(oldest.value);
  }
  return context;
}

/** The check of who the server is; `hostSubject` replaces the check of the host's name. */
export function identityCheck(host: string, hostSubject: string | null): IdentityCheck {
  let isMismatch = false;
  return {
    check: (_name, certificate) => {
      if (hostSubject === null) {
        // Node's own words name the host, and Proxmox's pseudo hosts are credentials.
        const isOurs = checkServerIdentity(host, certificate) === undefined;
        return isOurs ? undefined : new Error("the certificate is another host's");
      }
      const subject = certificateSubject(certificate.raw);
      isMismatch = subject === null || !matchesSubject(hostSubject, subject);
      return isMismatch ? new Error("the certificate's subject is another one") : undefined;
    },
    hasSubjectMismatch: () => isMismatch,
  };
}

/** What SNI may carry for this host (RFC 6066, section 3): a DNS name, never an address. */
export function serverNameOf(host: string): string | null {
  return isIP(host) === 0 && DNS_NAME.test(host) ? host : null;
}

const PEM_CERTIFICATE = "-----BEGIN CERTIFICATE-----";
/** Proxmox's pseudo hosts have colons, which no DNS name has. */
const DNS_NAME = /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/i;
/** CAs of different clouds that one site's relay meets; a further one is parsed again each time. */
const CONTEXTS_MAX = 64;
const CONTEXTS = new Map<string, SecureContext>();
