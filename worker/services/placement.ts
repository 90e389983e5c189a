/**
 * Which relay shall carry a console, pure: a verdict on each relay of the console's site and of the
 * sites that this one falls back on, then rendezvous hashing among the good ones, site by site.
 *
 * The same console goes to the same relay as long as that one is good, and a relay that comes or
 * goes moves only the consoles that it gains or loses. So that load does not move them either, it
 * only cuts off: a busy relay is passed over and never merely ranked lower. The cut-off is soft.
 * When every relay of every site is busy, the busy ones are asked, in the same order: a slow console
 * is better than none. What a relay can carry is hard: one that is full would refuse.
 */
import {
  PLACEMENT_TRIED_MAX,
  type PlacementRecord,
  type PlacementVerdict,
} from "#shared/audit/events.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { CONTROL_VERSIONS } from "#shared/control/contract.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { type Enforcement, lackingOf } from "#shared/policy/enforcement.ts";
import type { Way } from "#shared/ticket/way.ts";
import type { PlacementRow } from "../repositories/placement.ts";

/** What is known of a relay that may be asked. */
export interface PlacementRelay {
  readonly id: string;
  readonly name: string;
  /** 0: of the console's own site; from 1 on: of its fallbacks. */
  readonly step: number;
  readonly online: boolean;
  readonly disabled: boolean;
  /** By its operator or by the control plane. */
  readonly draining: boolean;
  /** Of the contract, as its last welcome agreed; null: of before that was kept. */
  readonly controlVersion: number | null;
  readonly connectPort: number | null;
  /** Rules that it can hold sessions to, beyond those that every relay knows. */
  readonly enforces: readonly string[];
  /** Tenths of what it can carry; null: it has not said. */
  readonly loadLevel: number | null;
  readonly full: boolean;
}

/** What the session wants of its relay. */
export interface PlacementWish {
  readonly consoleId: string;
  readonly way: Way;
  /** Rules that its relay must enforce. */
  readonly needs: readonly string[];
}

/** The console's site, then its fallbacks in order. */
export interface PlacementSite {
  readonly step: number;
  readonly name: string;
}

/** Whom to ask, and why. */
export interface Placement<Relay extends PlacementRelay> {
  /** Best first; PLACEMENT_TRIED_MAX at most. */
  readonly ranked: readonly Relay[];
  readonly sites: readonly PlacementSite[];
  readonly counts: Counts;
}

type Counts = Readonly<Partial<Record<PlacementVerdict, number>>>;

/** What placement and tickets need of a relay. */
export interface TicketRelay extends PlacementRelay {
  readonly ticketEpoch: number;
}

/** The sites in order, and their relays as placement judges them. */
export function readPlaceable(rows: readonly PlacementRow[]): {
  readonly sites: readonly PlacementSite[];
  readonly relays: readonly TicketRelay[];
} {
  const names = new Map(rows.map(({ step, siteName }) => [step, siteName]));
  const sites = [...names].map(([step, name]) => ({ step, name }));
  return {
    sites: sites.sort((one, other) => one.step - other.step),
    relays: rows.flatMap((row) => (row.relay === null ? [] : [toCandidate(row.step, row.relay)])),
  };
}

/** Places a console; the failure is a sentence that says why no relay can have it. */
export function placeConsole<Relay extends PlacementRelay>(
  wish: PlacementWish,
  sites: readonly PlacementSite[],
  relays: readonly Relay[],
): Result<Placement<Relay>, string> {
  const judged = relays.map((relay) => ({ relay, verdict: judgeRelay(relay, wish) }));
  const ranked = [
    ...rankSites(judged, { verdict: "good", sites, consoleId: wish.consoleId }),
    ...rankSites(judged, { verdict: "busy", sites, consoleId: wish.consoleId }),
  ].slice(0, PLACEMENT_TRIED_MAX);
  return ranked.length > 0
    ? ok({ ranked, sites, counts: countVerdicts(judged) })
    : fail(sayWhyNone(sites, judged));
}

/** Says what none of the relays that are there can keep; null when one can, or none is there. */
export function sayUnenforceable(
  needs: readonly Enforcement[],
  relays: readonly PlacementRelay[],
): Failure | null {
  const there = relays.filter(({ online, disabled }) => online && !disabled);
  if (there.length === 0 || there.some(({ enforces }) => lackingOf(needs, enforces).length === 0)) {
    return null;
  }
  const nowhere = needs.filter((need) => there.every(({ enforces }) => !enforces.includes(need)));
  const named = (nowhere.length > 0 ? nowhere : needs).join(", ");
  const detail = `No relay that is online can enforce what its policies say: ${named}.`;
  return { code: "policy.unenforceable", detail };
}

/** What is on record of a placement that came to a ticket. */
export function recordPlacement(
  placement: Placement<PlacementRelay>,
  chosen: PlacementRelay,
  tried: readonly { readonly relay: string; readonly code: string }[],
): PlacementRecord {
  const nameOf = (step: number): string =>
    placement.sites.find((site) => site.step === step)?.name ?? "";
  return {
    site: nameOf(0),
    relaySite: nameOf(chosen.step),
    step: chosen.step,
    relay: chosen.name,
    load: chosen.loadLevel,
    candidates: placement.counts,
    tried: [...tried],
  };
}

/**
 * The best of the candidates, best first; so many at most. The order depends on the ids alone, not
 * on the candidates' order. One pass: a site may have thousands, of whom a few are asked.
 */
export function rankRelays<Relay extends { readonly id: string }>(
  candidates: readonly Relay[],
  consoleId: string,
  countMax: number,
): Relay[] {
  const seed = hashOnto(FNV_OFFSET, `${consoleId}|`);
  const best: { readonly relay: Relay; readonly score: number }[] = [];
  for (const relay of candidates) {
    const scored = { relay, score: mix(hashOnto(seed, relay.id)) };
    const place = best.findIndex((other) => isBefore(scored, other));
    if (place !== -1 || best.length < countMax) {
      best.splice(place === -1 ? best.length : place, 0, scored);
      best.length = Math.min(best.length, countMax);
    }
  }
  return best.map(({ relay }) => relay);
}

/** The first reason that applies, in the order of PLACEMENT_VERDICTS. */
export function judgeRelay(relay: PlacementRelay, wish: PlacementWish): PlacementVerdict {
  if (relay.disabled) {
    return "disabled";
  }
  if (!relay.online) {
    return "offline";
  }
  if (relay.draining) {
    return "draining";
  }
  const version = relay.controlVersion ?? CONTROL_VERSIONS.min;
  if (version < CONTROL_VERSIONS.min || version > CONTROL_VERSIONS.max) {
    return "version";
  }
  if (wish.way === "connect" && relay.connectPort === null) {
    return "connect-port";
  }
  if (lackingOf(wish.needs, relay.enforces).length > 0) {
    return "needs";
  }
  if (relay.full) {
    return "full";
  }
  return (relay.loadLevel ?? 0) >= BUSY_LEVEL ? "busy" : "good";
}

function toCandidate(step: number, relay: NonNullable<PlacementRow["relay"]>): TicketRelay {
  const { id, name, ticketEpoch, controlVersion, connectPort, loadLevel, enforces } = relay;
  return {
    ...{ id, name, step, ticketEpoch, controlVersion, connectPort, loadLevel, enforces },
    online: relay.state === "online",
    disabled: relay.disabledAtMs !== null,
    draining: relay.draining || relay.drainOrdered,
    full: relay.isFull,
  };
}

interface Judged<Relay extends PlacementRelay = PlacementRelay> {
  readonly relay: Relay;
  readonly verdict: PlacementVerdict;
}

/** Those of one verdict, site after site in their order, until there are enough. */
function rankSites<Relay extends PlacementRelay>(
  judged: readonly Judged<Relay>[],
  wanted: {
    readonly verdict: PlacementVerdict;
    readonly sites: readonly PlacementSite[];
    readonly consoleId: string;
  },
): Relay[] {
  const { verdict, sites, consoleId } = wanted;
  const ranked: Relay[] = [];
  for (const { step } of sites) {
    const countMax = PLACEMENT_TRIED_MAX - ranked.length;
    if (countMax > 0) {
      const ofSite = judged.filter((one) => one.relay.step === step && one.verdict === verdict);
      const candidates = ofSite.map(({ relay }) => relay);
      ranked.push(...rankRelays(candidates, consoleId, countMax));
    }
  }
  return ranked;
}

function isBefore(
  one: { readonly relay: { readonly id: string }; readonly score: number },
  other: { readonly relay: { readonly id: string }; readonly score: number },
): boolean {
  return one.score === other.score ? one.relay.id < other.relay.id : one.score > other.score;
}

function countVerdicts(judged: readonly Judged[]): Counts {
  const counts: Partial<Record<PlacementVerdict, number>> = {};
  for (const { verdict } of judged) {
    counts[verdict] = (counts[verdict] ?? 0) + 1;
  }
  return counts;
}

/** Each reason with how many relays it holds for, and some of their names. */
function sayWhyNone(sites: readonly PlacementSite[], judged: readonly Judged[]): string {
  const where = LIST.format(sites.map(({ name }) => name));
  const inSites = `${sites.length === 1 ? "site" : "sites"} ${where}`;
  if (judged.length === 0) {
    return `No relay belongs to the ${inSites}.`;
  }
  const byVerdict = Map.groupBy(judged, ({ verdict }) => verdict);
  const reasons = [...byVerdict].map(([verdict, ofVerdict]) => {
    const names = ofVerdict.map(({ relay }) => relay.name).sort(compare);
    const shown = names.slice(0, NAMES_MAX);
    const rest = names.length - shown.length;
    const who = rest === 0 ? LIST.format(shown) : `${shown.join(", ")} and ${rest} more`;
    return `${names.length} ${WORDS[verdict]} (${who})`;
  });
  return `No relay of the ${inSites} can take it: ${reasons.join("; ")}.`;
}

/** FNV-1a, from a state onwards. */
function hashOnto(state: number, text: string): number {
  let hash = state;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), FNV_PRIME);
  }
  return hash;
}

/**
 * Murmur3's final mix, because FNV alone hardly spreads the last characters. 32 bits that need no
 * secrecy: ids are ours, and a tie falls back on the id.
 */
function mix(state: number): number {
  let hash = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function compare(left: string, right: string): number {
  return left < right ? -1 : Number(left > right);
}

/**
 * Tenths of what a relay can carry from which on it is passed over: a fifth stays for the channels
 * that living sessions still open and for clients that come back, and for the reports' delay.
 */
export const BUSY_LEVEL = 8;
/** A sentence for a person holds no more for each reason. */
const NAMES_MAX = 4;
const WORDS: Readonly<Record<PlacementVerdict, string>> = {
  disabled: "disabled",
  offline: "offline",
  draining: "draining",
  version: "of another version of the contract",
  "connect-port": "without a --connect-port",
  needs: "unable to enforce its policy",
  full: "full",
  busy: "busy",
  good: "good",
};
const LIST = new Intl.ListFormat("en-GB");
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
