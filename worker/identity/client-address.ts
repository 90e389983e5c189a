/**
 * Network addresses of clients: which one a chain of proxies vouches for, and by which part of it
 * attempts are counted. Pure; knows no HTTP.
 */

/**
 * The address that the outermost trusted proxy saw, out of X-Forwarded-For. Each proxy appends the
 * address of whoever connected to it, so what stands further left was written by the client itself.
 *
 * @param proxies how many proxies in front are trusted, at least one
 * @returns null when the header is absent, or holds no address at that place
 */
export function forwardedAddress(header: string | undefined, proxies: number): string | null {
  const entries = (header ?? "").slice(-FORWARDED_CHARACTERS_MAX).split(",");
  // Whoever came past an outer proxy brings fewer entries; all of them are the inner ones' then.
  const entry = entries.at(-proxies) ?? entries[0] ?? "";
  return readAddress(withoutPort(entry.trim()));
}

/** The address as it is kept and compared, or null when the text is none. */
export function readAddress(text: string): string | null {
  if (text.length > ADDRESS_CHARACTERS_MAX) {
    return null;
  }
  const plain = text.replace(/^::ffff:(?=\d+\.)/i, "");
  if (IPV4.test(plain)) {
    return plain;
  }
  return hextetsOf(plain) === null ? null : plain.toLowerCase();
}

/**
 * What stands for the address where attempts are counted. Whoever has one IPv6 address has its
 * whole /64 and may change within it at will, so that is one bucket.
 */
export function addressBucket(address: string): string {
  const hextets = hextetsOf(address);
  return hextets === null ? address : `${hextets.slice(0, 4).join(":")}::/64`;
}

/** `192.0.2.1:4711` and `[2001:db8::1]:4711`, as some proxies write them. */
function withoutPort(entry: string): string {
  const [, bracketed] = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(entry) ?? [];
  return bracketed ?? entry.replace(/^(\d+\.\d+\.\d+\.\d+):\d{1,5}$/, "$1");
}

/** The eight parts of an IPv6 address without leading zeros; null when it is none. */
function hextetsOf(text: string): string[] | null {
  // The platform's own reading: it knows every way to shorten, and IPv4 inside.
  if (!/^[0-9a-f:.]+$/i.test(text) || !text.includes(":") || !URL.canParse(`http://[${text}]/`)) {
    return null;
  }
  const { hostname } = new URL(`http://[${text}]/`);
  const [left = "", right] = hostname.slice(1, -1).split("::");
  const before = left === "" ? [] : left.split(":");
  const after = right === undefined || right === "" ? [] : right.split(":");
  const zeros = right === undefined ? 0 : HEXTETS - before.length - after.length;
  return [...before, ...Array.from({ length: zeros }, () => "0"), ...after];
}

const HEXTETS = 8;
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;
/** An IPv6 address with an IPv4 address inside is shorter. */
const ADDRESS_CHARACTERS_MAX = 64;
/** More than any chain of proxies writes; the nearest ones stand at its end. */
const FORWARDED_CHARACTERS_MAX = 1024;
