/** What a storm has lost, pure: each finding is a sentence, and none is what must come out. */
import { consoleOf, type LivingSession, sessionOf } from "./double-rows.ts";
import type { RelayDouble } from "./relay-double.ts";

/** An order that the control plane said it would carry out. */
export interface GivenOrder {
  /** Of the double whose session it is about. */
  readonly double: number;
  readonly session: LivingSession;
  /** When the answer came, by `performance.now()`. */
  readonly givenAtMs: number;
}

/** What the control plane says in the end of the sessions. */
export interface StoredSession {
  readonly state: string;
  readonly endReason: string | null;
}

type Seen = Pick<
  RelayDouble,
  "id" | "applied" | "linkedAtMs" | "ended" | "faults" | "living" | "isLinked"
>;

/** What is wrong with one double after the storm. */
export function judgeDouble(number: number, double: Seen, orders: readonly GivenOrder[]): string[] {
  const { id, ended, living } = double;
  const wanted = orders.map(({ session }) => sessionOf(number, session));
  const count = (session: string): number => ended.filter((each) => each === session).length;
  const findings = [...double.faults];
  if (!double.isLinked) {
    findings.push(`${id} is not linked`);
  }
  for (const session of wanted.filter((each) => count(each) !== 1)) {
    findings.push(`${id} was to end ${session} once and did it ${count(session)} times`);
  }
  for (const session of ended.filter((each) => !wanted.includes(each))) {
    findings.push(`${id} ended ${session}, which nobody ordered`);
  }
  for (const session of [...living.keys()].filter((each) => wanted.includes(each))) {
    findings.push(`${id} still has ${session}`);
  }
  const [first, second] = [sessionOf(number, "first"), sessionOf(number, "second")];
  if (ended.indexOf(second) < ended.indexOf(first)) {
    findings.push(`${id} ended the second session before the first`);
  }
  return [...findings, ...judgeGrants(number, double, orders)];
}

/** Orders that were given before a link was welcomed come over it before any grant. */
function judgeGrants(number: number, double: Seen, orders: readonly GivenOrder[]): string[] {
  const { applied, linkedAtMs, id } = double;
  const late: string[] = [];
  for (const { session, givenAtMs } of orders) {
    const sessionId = sessionOf(number, session);
    const at = applied.findIndex((one) => one.kind === "terminate" && one.sessionId === sessionId);
    const order = applied[at];
    const welcomedAtMs = linkedAtMs[(order?.link ?? 0) - 1] ?? 0;
    if (order === undefined || givenAtMs >= welcomedAtMs) {
      continue;
    }
    const before = applied.slice(0, at).filter(({ link }) => link === order.link);
    if (before.some(({ kind }) => kind === "grant")) {
      late.push(`${id} got a grant before the older order to end ${sessionId}`);
    }
  }
  return late;
}

/** What is wrong with what the control plane says of a double's sessions. */
export function judgeStored(
  number: number,
  stored: ReadonlyMap<string, StoredSession>,
  ordered: readonly LivingSession[],
): string[] {
  const findings: string[] = [];
  for (const which of ["first", "second", "third", "fourth"] as const) {
    const id = sessionOf(number, which);
    const { state, endReason } = stored.get(id) ?? { state: "unknown", endReason: null };
    const wanted = ordered.includes(which) ? "ended terminated" : "active null";
    if (`${state} ${endReason}` !== wanted) {
      findings.push(`${id} on ${consoleOf(number, which)} is ${state} ${endReason}, not ${wanted}`);
    }
  }
  return findings;
}

/** What is wrong with the grants that the doubles hold, beside the tickets that were answered. */
export function judgeTickets(
  doubles: readonly Pick<RelayDouble, "id" | "held">[],
  tickets: { readonly good: ReadonlySet<string>; readonly unanswered: number },
): string[] {
  const findings: string[] = [];
  const held = doubles.flatMap((double) => [...double.held.keys()]);
  for (const sessionId of tickets.good) {
    const holders = held.filter((each) => each === sessionId).length;
    if (holders !== 1) {
      findings.push(`the ticket of ${sessionId} was given out, and ${holders} relays hold it`);
    }
  }
  // Who was not answered may have left a grant behind, which expires with its ticket.
  const others = held.filter((each) => !tickets.good.has(each));
  if (others.length > tickets.unanswered) {
    findings.push(
      `relays hold ${others.length} grants without a ticket: ${others.slice(0, 5).join(", ")}`,
    );
  }
  return findings;
}
