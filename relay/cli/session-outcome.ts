/**
 * What became of a session, in sentences. Why: a viewer shows whatever the relay answers to a ticket
 * as a wrong password, and an end that somebody decided on as a lost connection.
 */
import { setTimeout as delay } from "node:timers/promises";
import { ERRORS } from "#shared/errors/catalogue.ts";
import type { ApiClient } from "./api-client.ts";
import { type SessionItem, sessionSchema } from "./api-schemas.ts";
import { printable } from "./printable.ts";

export interface SessionOutcome {
  readonly opened: boolean;
  readonly sentence: string;
}

/** Null when there is nothing to tell: the client closed it, or it lives on. */
export async function readOutcome(
  client: ApiClient,
  sessionId: string,
): Promise<SessionOutcome | null> {
  for (let asked = 1; asked <= ASKED_MAX; asked += 1) {
    const session = await client.call("GET /api/v1/sessions/{id}", sessionSchema, {
      params: { id: sessionId },
    });
    if (!session.ok) {
      return null;
    }
    const outcome = outcomeOf(session.value);
    if (outcome !== null || session.value.state === "ended" || asked === ASKED_MAX) {
      return outcome;
    }
    // The relay's report may be on its way still.
    await delay(ASK_AGAIN_MS);
  }
  return null;
}

/** What is to be told of a session as it is now. */
export function outcomeOf(session: SessionItem): SessionOutcome | null {
  const { state, endReason, endDetail, refusedCode } = session;
  const refusal = hintOf(refusedCode ?? null);
  if (endReason === "failed") {
    const told = [endDetail ?? null, refusal].filter((part) => part !== null).map(endSentence);
    const why = told.length === 0 ? "an admin can see why." : told.join(" ");
    return { opened: false, sentence: `The console could not be opened: ${why}` };
  }
  const isRefused = state === "pending" || endReason === "never-opened";
  // It was open for a moment, until the control plane heard of the one that was there before it.
  const gaveWay = endReason === "terminated" && refusedCode === "console.in-use";
  if (refusal !== null && (isRefused || gaveWay)) {
    return { opened: false, sentence: `The console could not be opened: ${refusal}` };
  }
  const known = endReason === null ? undefined : END_SENTENCES[endReason];
  const sentence = endReason === "idle" ? sayIdle(endDetail ?? "") : known;
  return sentence === undefined ? null : { opened: true, sentence };
}

/** The relay's detail has the seconds; only admins are given it. */
function sayIdle(detail: string): string {
  const time = / ([0-9]+) s$/.exec(detail)?.[1];
  const span = time === undefined ? "as long as its policy allows" : `${time} s`;
  const policy = time === undefined ? "" : " (its policy)";
  return `The session ended after ${span} without input or a change of the picture${policy}.`;
}

function endSentence(text: string): string {
  return printable(text).replace(/\.?$/, ".");
}

function hintOf(code: string | null): string | null {
  const row = Object.entries(ERRORS).find(([name]) => name === code);
  return row === undefined ? null : row[1].hint;
}

const END_SENTENCES: Readonly<Record<string, string>> = {
  "taken-over": "Another session opened this console and took it over.",
  "server-closed": "The virtual machine's console was closed by its server.",
  "duration-exceeded": "The session was ended: it lasted as long as its policy allows.",
  "outside-hours": "The session was ended: its policies allow it at other hours only.",
  "control-lost":
    "The session was ended: its relay had lost the control plane, and its policy is strict.",
  "relay-drained": "The relay was emptied for maintenance. Open the console again.",
  "relay-fault": "A part of the relay crashed. Open the console again.",
  "relay-stopped": "The relay was stopped. Open the console again.",
  "relay-restarted": "The relay was restarted. Open the console again.",
  "relay-lost": "The relay has lost its link to the control plane.",
  terminated: "The session was ended by its user or by an admin.",
};

/** A report takes a round trip; a session that lives on shall not hold up the terminal. */
const ASKED_MAX = 4;
const ASK_AGAIN_MS = 250;
