/** Which addresses count as one source: whoever has one IPv6 address has its whole /64. */
import { isIPv4, isIPv6 } from "node:net";

/** An IPv4 address as it is, also when mapped into IPv6; of another IPv6 address its /64. */
export function sourceKey(address: string): string {
  const unscoped = address.split("%")[0] ?? "";
  const tail = unscoped.slice(unscoped.lastIndexOf(":") + 1);
  if (isIPv4(unscoped) || !isIPv6(unscoped)) {
    return unscoped;
  }
  if (isIPv4(tail)) {
    const isMapped = /^(0{0,4}:){1,6}ffff:$/i.test(unscoped.slice(0, -tail.length));
    return isMapped ? tail : networkOf(`${unscoped.slice(0, -tail.length)}0:0`);
  }
  return networkOf(unscoped);
}

/** The first four groups, written one way only. */
function networkOf(address: string): string {
  const [before = "", after] = address.split("::");
  const head = before === "" ? [] : before.split(":");
  const rest = after === undefined || after === "" ? [] : after.split(":");
  const zeros = after === undefined ? 0 : GROUPS - head.length - rest.length;
  const groups = [...head, ...Array.from({ length: zeros }, () => "0"), ...rest];
  const network = groups.slice(0, NETWORK_GROUPS).map((group) => Number.parseInt(group, 16));
  return `${network.map((group) => group.toString(16)).join(":")}::/64`;
}

const GROUPS = 8;
const NETWORK_GROUPS = 4;
