/** Steps of the control link, for tests of its decisions. */
import type { HubMessage, Welcome } from "#shared/control/contract.ts";
import { initialLinkState, stepLink } from "../../../relay/control/link-state.ts";
import type {
  LinkEffect,
  LinkInput,
  LinkState,
  LinkStep,
} from "../../../relay/control/link-types.ts";

export const NOW = 1_000_000;
export const CHANCE = 0.5;

export const WELCOME: Welcome = {
  type: "welcome",
  version: 1,
  epoch: "epoch-a",
  ticketKeys: [{ keyId: "a", key: "b", sealKey: "c" }],
  grantKeys: [{ kty: "OKP", crv: "Ed25519", x: "x", kid: "k" }],
  grantIssuer: "https://kerbside.test",
  stream: null,
  storedSeq: 0,
  webOrigins: [],
  nowMs: 0,
};

export function run(state: LinkState, inputs: readonly LinkInput[], nowMs = NOW): LinkStep {
  let step: LinkStep = { state, effects: [] };
  for (const input of inputs) {
    const next = stepLink(step.state, input, { nowMs, chance: CHANCE });
    step = { state: next.state, effects: [...step.effects, ...next.effects] };
  }
  return step;
}

export function message(hubMessage: HubMessage): LinkInput {
  return { kind: "message", message: hubMessage };
}

export const terminate = (seq: number): LinkInput =>
  message({
    type: "push",
    seq,
    command: { kind: "terminate", sessionId: `ses_${seq}`, reason: "test", cause: "terminated" },
  });

export const START: readonly LinkInput[] = [{ kind: "start" }, { kind: "opened" }];
export const LINK: readonly LinkInput[] = [
  ...START,
  message(WELCOME),
  { kind: "adopted", failure: null },
];

export const linked = (welcome: Welcome = WELCOME): LinkState =>
  run(initialLinkState(), [...START, message(welcome), { kind: "adopted", failure: null }]).state;

export function kinds(step: LinkStep): string[] {
  return step.effects.filter(({ kind }) => kind !== "log").map(({ kind }) => kind);
}

export function sent(step: LinkStep): unknown[] {
  return step.effects.flatMap((effect) => (effect.kind === "send" ? [effect.message] : []));
}

export function logNames(effects: readonly LinkEffect[]): string[] {
  return effects.flatMap((effect) => (effect.kind === "log" ? [effect.name] : []));
}
