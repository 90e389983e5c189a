/** Drives the hub's reducer through inputs, and keeps the effects for a test to look at. */
import type { Hello, RelayMessage } from "#shared/control/contract.ts";
import {
  type HubEffect,
  type HubInput,
  type HubState,
  initialHubState,
} from "../../../worker/hub/hub-state.ts";
import { stepHub } from "../../../worker/hub/reducer.ts";

export class HubDriver {
  state: HubState;
  nowMs = 1_000_000;

  constructor(state = initialHubState("epoch-1")) {
    this.state = state;
  }

  /** One input; the value is what the hub does about it. */
  feed(input: HubInput): HubEffect[] {
    const step = stepHub(this.state, input, { nowMs: this.nowMs, spareEpoch: "epoch-2" });
    this.state = step.state;
    return [...step.effects];
  }

  say(message: RelayMessage, linkId = "link-1"): HubEffect[] {
    return this.feed({ kind: "message", linkId, message });
  }

  /** A relay that connects, says hello and is welcomed. */
  link(linkId = "link-1", hello: Partial<Hello> = {}): HubEffect[] {
    this.feed({ kind: "connected", linkId });
    this.say({ ...HELLO, ...hello }, linkId);
    return this.feed({ kind: "greeted", linkId, welcome: WELCOME });
  }

  push(waiterId: string, command: Partial<PushOf> = {}): HubEffect[] {
    return this.feed({
      kind: "push",
      waiterId,
      command: {
        kind: "grant",
        sessionId: null,
        grant: null,
        denials: [],
        drains: null,
        sizeBytes: 100,
        ...command,
      },
    });
  }

  tickAfter(passedMs: number, heartbeatAtMs: number | null = null): HubEffect[] {
    this.nowMs += passedMs;
    return this.feed({ kind: "tick", heartbeatAtMs });
  }
}

type PushOf = Extract<HubInput, { kind: "push" }>["command"];

export const HELLO = {
  type: "hello" as const,
  versions: { min: 1, max: 1 },
  build: "test",
  instanceId: "instance-1",
  epoch: null as string | null,
  appliedSeq: 0,
  channelsMax: 100,
  draining: false,
  enforces: [],
};

export const WELCOME = {
  ticketKeys: [{ keyId: "k", key: "k", sealKey: "k" }],
  grantKeys: [{ kty: "OKP" as const, crv: "Ed25519" as const, x: "x", kid: "kid" }],
  grantIssuer: "https://kerbside.test",
  stream: null,
  storedSeq: 0,
  webOrigins: ["https://kerbside.test"],
};
