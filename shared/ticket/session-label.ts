/**
 * The label that names a session where the ticket itself must not stand: the pseudo host of an HTTP
 * CONNECT goes over the network in clear. It follows from the ticket's hash, so that relay and
 * control plane find it alone, and it tells nothing of the ticket.
 */
import { utf8 } from "#shared/base/bytes.ts";

/** The pseudo host of a console file that goes through a relay's CONNECT port (RFC 2606 `.invalid`). */
export function pseudoHost(label: string): string {
  return `${label}${PSEUDO_HOST_SUFFIX}`;
}

/** The label in a pseudo host, or null when it is none. Names of hosts know no upper case. */
export function labelOfPseudoHost(host: string): string | null {
  const name = host.toLowerCase();
  const label = name.endsWith(PSEUDO_HOST_SUFFIX) ? name.slice(0, -PSEUDO_HOST_SUFFIX.length) : "";
  return LABEL_PATTERN.test(label) ? label : null;
}

/** The label of the session that the ticket with this hash (43 characters) opens. */
export async function sessionLabel(ticketHash: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", utf8(`${PURPOSE}${ticketHash}`));
  return [...new Uint8Array(digest).subarray(0, LABEL_BYTES)]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}

const PURPOSE = "kerbside-session-label\n";
const PSEUDO_HOST_SUFFIX = ".kerbside.invalid";
/** 128 bits cannot be guessed. */
const LABEL_BYTES = 16;
const LABEL_PATTERN = /^[0-9a-f]{32}$/;
