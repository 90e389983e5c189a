/**
 * Where webhooks may go, pure. The control plane must not be made to call addresses that only it
 * can reach: an operator's network, a cloud's metadata service, itself. What a name resolves to is
 * not known here; where the host's network lets private addresses be reached, its egress has to
 * keep to public ones (docs/operate/audit.md).
 */
import { fail, ok, type Result } from "#shared/base/result.ts";

export interface TargetRules {
  /** Whether addresses of private networks are allowed. */
  readonly allowPrivate: boolean;
  /** Whether this is a developer's machine: then its own addresses are, also without TLS. */
  readonly development: boolean;
}

/** The address in its normal form, or a phrase that says why not. */
export function judgeTarget(text: string, rules: TargetRules): Result<string, string> {
  if (text.length > URL_CHARACTERS_MAX || !URL.canParse(text)) {
    return fail("must be an absolute URL");
  }
  const url = new URL(text);
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
  const here = rules.development && isLoopback(host);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && here)) {
    return fail("must begin with https://");
  }
  if (url.username !== "" || url.password !== "") {
    return fail("must hold no login; messages are signed instead");
  }
  if (url.hash !== "") {
    return fail("must hold no fragment");
  }
  if (isPrivate(host) && !rules.allowPrivate && !here) {
    return fail("must not be an address of a private network");
  }
  return ok(url.href);
}

/** Whether a control plane of that address is on a developer's machine. */
export function isDevelopment(publicUrl: string): boolean {
  return isLoopback(new URL(publicUrl).hostname.replace(/^\[(.*)\]$/, "$1"));
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost") || /^(127\.|::1$)/.test(host);
}

/** The URL parser has written every form of an IPv4 address as four numbers. */
function isPrivate(host: string): boolean {
  if (host.includes(":")) {
    return isPrivateIpv6(host);
  }
  const octets = host.split(".").map(Number);
  if (octets.length === 4 && octets.every((octet) => Number.isInteger(octet))) {
    return isPrivateIpv4(octets);
  }
  return !host.includes(".") || PRIVATE_NAMES.some((name) => host.endsWith(name));
}

/** IANA's registry of special-purpose addresses: all that is not globally reachable. */
function isPrivateIpv4([a = 0, b = 0, c = 0]: readonly number[]): boolean {
  return (
    [0, 10, 127].includes(a) ||
    a >= 224 ||
    (a === 100 && b >= 64 && b < 128) ||
    (a === 169 && b === 254) ||
    (a === 172 && b >= 16 && b < 32) ||
    (a === 192 && b === 168) ||
    (a === 192 && b === 0 && (c === 0 || c === 2)) ||
    (a === 198 && (b === 18 || b === 19 || (b === 51 && c === 100))) ||
    (a === 203 && b === 0 && c === 113)
  );
}

/**
 * Only 2000::/3 is given out to networks, and in it some parts are not, or hold IPv4 addresses
 * (Teredo, ORCHID, documentation, 6to4). The rest is special, IPv4 in IPv6 included.
 */
function isPrivateIpv6(host: string): boolean {
  const [first = 0, second = 0] = host.split(":").map((part) => Number.parseInt(part || "0", 16));
  const special = first === 0x2001 && (second < 0x200 || second === 0xdb8);
  return first < 0x2000 || first > 0x3fff || special || first === 0x2002;
}

/** RFC 6761, RFC 6762, RFC 8375, and what clouds name their own services. */
const PRIVATE_NAMES = [
  ".localhost",
  ".local",
  ".internal",
  ".intranet",
  ".lan",
  ".corp",
  ".home",
  ".home.arpa",
  ".test",
  ".invalid",
];
const URL_CHARACTERS_MAX = 2048;
