/**
 * The client's address where no Cloudflare edge tells it. Whoever connects to the socket is the
 * client, unless the operator says in which header a reverse proxy in front gives the address;
 * any header that nobody vouches for is the client's own invention.
 */

/** The header that Cloudflare's edge sets and the application reads. */
export const CLIENT_ADDRESS_HEADER = "CF-Connecting-IP";

/** The same request with the one address that can be relied on, or with none. */
export function withClientAddress(
  request: Request,
  given: {
    /** Who holds the socket, as workerd tells it: `192.0.2.1:4711` or `[2001:db8::1]:4711`. */
    readonly peer: string | null;
    /** What the reverse proxy sets; null: there is none. */
    readonly proxyHeader: string | null;
  },
): Request {
  const { peer, proxyHeader } = given;
  const address =
    proxyHeader === null ? addressOfPeer(peer) : lastAddress(request.headers.get(proxyHeader));
  const changed = new Request(request);
  changed.headers.delete(CLIENT_ADDRESS_HEADER);
  if (address !== null) {
    changed.headers.set(CLIENT_ADDRESS_HEADER, address);
  }
  return changed;
}

function addressOfPeer(peer: string | null): string | null {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:]+)):\d+$/.exec(peer ?? "") ?? [];
  // A socket that listens to both families shows IPv4 as a part of IPv6.
  return bracketed?.replace(/^::ffff:(?=\d+\.)/i, "") ?? plain ?? null;
}

/** Proxies append to X-Forwarded-For: what stands last was said by the nearest one. */
function lastAddress(value: string | null): string | null {
  const last = value?.split(",").at(-1)?.trim() ?? "";
  return last === "" ? null : last;
}
