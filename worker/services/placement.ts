/**
 * Which relay shall carry a console, pure: who is a candidate, then rendezvous hashing. The same
 * console goes to the same relay as long as that one is a candidate, and a relay that comes or goes
 * moves only the consoles that it gains or loses.
 */
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { type Enforcement, lackingOf } from "#shared/policy/enforcement.ts";
import type { Way } from "#shared/ticket/way.ts";

/** The candidates among the relays that are online, or a sentence that says why there is none. */
export function relaysFor<
  Relay extends {
    readonly name: string;
    readonly connectPort: number | null;
    readonly draining: boolean;
  },
>(online: readonly Relay[], way: Way): Result<Relay[], string> {
  if (online.length === 0) {
    return fail("No relay is online.");
  }
  const reachable = online.filter((relay) => way === "tls" || relay.connectPort !== null);
  const serving = reachable.filter((relay) => !relay.draining);
  if (serving.length > 0) {
    return ok(serving);
  }
  const reasons = online.slice(0, NAMES_MAX).map((relay) => {
    const lacksPort = way === "connect" && relay.connectPort === null;
    const why = lacksPort ? "has no CONNECT port (--connect-port)" : "is draining";
    return `${relay.name} ${why}`;
  });
  const unnamed = online.length - reasons.length;
  const rest = unnamed === 0 ? [] : [`and so on for ${unnamed} more`];
  const what = way === "connect" ? "can take this over CONNECT" : "takes new sessions";
  return fail(`No relay ${what}: ${[...reasons, ...rest].join("; ")}.`);
}

/**
 * Those of the relays that can keep what a policy needs. Fails with `policy.unenforceable` when there
 * are relays and none of them can; the detail names what.
 */
export function relaysThatKeep<Relay extends { readonly enforces: readonly string[] }>(
  online: readonly Relay[],
  needs: readonly Enforcement[],
): Result<readonly Relay[], Failure> {
  const able = online.filter(({ enforces }) => lackingOf(needs, enforces).length === 0);
  if (able.length > 0 || online.length === 0) {
    return ok(able);
  }
  const nowhere = needs.filter((need) => online.every(({ enforces }) => !enforces.includes(need)));
  const named = (nowhere.length > 0 ? nowhere : needs).join(", ");
  const detail = `No relay that is online can enforce what its policies say: ${named}.`;
  return fail({ code: "policy.unenforceable", detail });
}

/** The candidates, best first. The order depends on the ids alone, not on the candidates' order. */
export function rankRelays<Relay extends { readonly id: string }>(
  candidates: readonly Relay[],
  consoleId: string,
): Relay[] {
  return candidates
    .map((relay) => ({ relay, score: scoreOf(`${consoleId}|${relay.id}`) }))
    .sort((left, right) => right.score - left.score || compare(left.relay.id, right.relay.id))
    .map(({ relay }) => relay);
}

/**
 * FNV-1a over the text, then Murmur3's final mix, because FNV alone hardly spreads the last
 * characters. 32 bits that need no secrecy: ids are ours, and a tie falls back on the id.
 */
function scoreOf(text: string): number {
  let hash = FNV_OFFSET;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), FNV_PRIME);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function compare(left: string, right: string): number {
  return left < right ? -1 : Number(left > right);
}

/** A sentence for a person holds no more. */
const NAMES_MAX = 8;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
