/** What a relay asks over its link, and keys that come over it: each settled once, in order. */
import { describe, expect, it } from "vitest";
import type { Welcome } from "#shared/control/contract.ts";
import { REQUEST_DEADLINE_MS, REQUESTS_OPEN_MAX } from "#shared/control/limits.ts";
import { initialLinkState, nextDeadlineMs, stepLink } from "../../../relay/control/link-state.ts";
import type { LinkEffect, LinkInput, LinkState } from "../../../relay/control/link-types.ts";
import { message as said, WELCOME as OLDER_WELCOME } from "./link-steps.ts";

const WELCOME: Welcome = { ...OLDER_WELCOME, version: 2 };
const REQUEST = { kind: "use-key", token: "token" } as const;
const DONE = { ok: true, value: { kind: "done" } } as const;

class Link {
  state: LinkState = initialLinkState();
  nowMs = 0;

  feed(...inputs: readonly LinkInput[]): LinkEffect[] {
    return inputs.flatMap((input) => {
      const step = stepLink(this.state, input, { nowMs: this.nowMs, chance: 0 });
      this.state = step.state;
      return [...step.effects];
    });
  }

  up(version = 2): this {
    const welcome = said({ ...WELCOME, version });
    this.feed({ kind: "start" }, { kind: "opened" }, welcome, { kind: "adopted", failure: null });
    return this;
  }

  ask(requestId: string): LinkEffect[] {
    return this.feed({ kind: "request", requestId, request: REQUEST });
  }
}

const answers = (effects: readonly LinkEffect[]) =>
  effects.flatMap((effect) =>
    effect.kind === "answered"
      ? [[effect.requestId, effect.result.ok ? "ok" : effect.result.error.code]]
      : [],
  );

describe("a request over the link", () => {
  it("is sent, and settled by its answer, once", () => {
    const link = new Link().up();
    expect(link.ask("r1")).toEqual([
      { kind: "send", message: { type: "request", requestId: "r1", request: REQUEST } },
    ]);
    const answer = said({ type: "answer", requestId: "r1", result: DONE });
    expect(answers(link.feed(answer))).toEqual([["r1", "ok"]]);
    expect(answers(link.feed(answer))).toEqual([]);
  });

  it("fails at once without a link, with a partner of version 1, and beyond the bound", () => {
    expect(answers(new Link().ask("r1"))).toEqual([["r1", "control.offline"]]);
    expect(answers(new Link().up(1).ask("r1"))).toEqual([["r1", "relay.version-unsupported"]]);
    const link = new Link().up();
    for (let count = 0; count < REQUESTS_OPEN_MAX; count += 1) {
      expect(answers(link.ask(`r${count}`))).toEqual([]);
    }
    expect(answers(link.ask("more"))).toEqual([["more", "control.queue-full"]]);
  });

  it("fails when its time is over, and the link goes on", () => {
    const link = new Link().up();
    link.ask("r1");
    link.feed({ kind: "pong" });
    link.nowMs = REQUEST_DEADLINE_MS - 1;
    link.feed({ kind: "pong" });
    expect(nextDeadlineMs(link.state)).toBeLessThanOrEqual(REQUEST_DEADLINE_MS);
    link.nowMs = REQUEST_DEADLINE_MS;
    link.feed({ kind: "pong" });
    expect(answers(link.feed({ kind: "tick" }))).toEqual([["r1", "control.ack-timeout"]]);
    expect(link.state.phase.name).toBe("linked");
  });

  it.each<[string, LinkInput]>([
    ["the link is lost", { kind: "closed", detail: "gone" }],
    ["the relay stops", { kind: "stop" }],
  ])("fails when %s, and is not made again by itself", (_name, input) => {
    const link = new Link().up();
    link.ask("r1");
    expect(answers(link.feed(input))).toEqual([["r1", "control.offline"]]);
    link.nowMs = 60_000;
    const effects = link.feed({ kind: "tick" }, { kind: "opened" }, said(WELCOME), {
      kind: "adopted",
      failure: null,
    });
    expect(JSON.stringify(effects)).not.toContain("use-key");
  });
});

describe("keys that come over the link", () => {
  const keys = { ticketKeys: WELCOME.ticketKeys, grantKeys: WELCOME.grantKeys };

  it("are put into use, also while those of the welcome are being", () => {
    const link = new Link();
    link.feed({ kind: "start" }, { kind: "opened" }, said(WELCOME));
    const adopt = [{ kind: "adopt-keys", keys }];
    expect(link.feed(said({ type: "keys", ...keys }))).toEqual(adopt);
    link.feed({ kind: "adopted", failure: null });
    expect(link.feed(said({ type: "keys", ...keys }))).toEqual(adopt);
  });

  it("must not come before a welcome", () => {
    const link = new Link();
    link.feed({ kind: "start" }, { kind: "opened" });
    const effects = link.feed(said({ type: "keys", ...keys }));
    expect(effects).toContainEqual({ kind: "close", reason: "control.malformed" });
  });
});
