/**
 * The client's address where no Cloudflare edge tells it: whoever holds the socket is the client,
 * or the nearest of the operator's own proxies. Any header that says so already is the client's
 * invention. What proxies tell of addresses further away is read in identity/client-address.ts.
 */

/** The header that Cloudflare's edge sets and the application reads. */
export const CLIENT_ADDRESS_HEADER = "CF-Connecting-IP";

/** The same request with the address that can be relied on, or with none. */
export function withPeerAddress(
  request: Request,
  /** As workerd tells it: `192.0.2.1:4711` or `[2001:db8::1]:4711`. */
  peer: string | null,
): Request {
  const address = addressOf(peer);
  const changed = new Request(request);
  changed.headers.delete(CLIENT_ADDRESS_HEADER);
  if (address !== null) {
    changed.headers.set(CLIENT_ADDRESS_HEADER, address);
  }
  return changed;
}

function addressOf(peer: string | null): string | null {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:]+)):\d+$/.exec(peer ?? "") ?? [];
  // A socket that listens to both families shows IPv4 as a part of IPv6.
  return bracketed?.replace(/^::ffff:(?=\d+\.)/i, "") ?? plain ?? null;
}
