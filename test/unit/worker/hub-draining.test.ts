import { describe, expect, it } from "vitest";
import { CONTROL_CLOSE } from "#shared/control/close-codes.ts";
import type { HubEffect } from "../../../worker/hub/hub-state.ts";
import { attachmentOf, linkOf, parseAttachment } from "../../../worker/hub/link-attachment.ts";
import { HELLO, HubDriver, WELCOME } from "./hub-driver.ts";

const closes = (effects: readonly HubEffect[]) =>
  effects.flatMap((effect) => (effect.kind === "close" ? [effect.close] : []));
const settled = (effects: readonly HubEffect[]) =>
  effects.flatMap((effect) =>
    effect.kind === "settle" ? [[effect.waiterId, effect.failure?.code ?? null]] : [],
  );
const pushed = (effects: readonly HubEffect[]) =>
  effects.flatMap((effect) => (effect.kind === "send-push" ? [effect.seq] : []));

describe("a relay that drains", () => {
  it("gets no grant any more from the moment that it says so, and the database is told", () => {
    const hub = new HubDriver();
    hub.link();
    expect(hub.say({ type: "serving", draining: true })).toEqual([
      { kind: "store-serving", linkId: "link-1", draining: true },
    ]);
    expect(settled(hub.push("a"))).toEqual([["a", "relay.draining"]]);
    expect(hub.state.outbox).toEqual([]);
    hub.say({ type: "serving", draining: false });
    expect(pushed(hub.push("b"))).toEqual([1]);
  });

  it("is still told to end sessions", () => {
    const hub = new HubDriver();
    hub.link("link-1", { draining: true });
    expect(pushed(hub.push("a", { kind: "terminate", sessionId: "ses_1" }))).toEqual([1]);
  });

  it("may say so in its hello: grants from then on, and those from before, go elsewhere", () => {
    const hub = new HubDriver();
    hub.feed({ kind: "connected", linkId: "link-1" });
    hub.push("before");
    hub.push("order", { kind: "withdraw", sessionId: "ses_1" });
    hub.say({ ...HELLO, draining: true });
    expect(settled(hub.push("after"))).toEqual([["after", "relay.draining"]]);
    const effects = hub.feed({ kind: "greeted", linkId: "link-1", welcome: WELCOME });
    expect(settled(effects)).toEqual([["before", "relay.draining"]]);
    expect(pushed(effects)).toEqual([1]);
    expect(hub.state.outbox.map(({ kind }) => kind)).toEqual(["withdraw"]);
  });

  it("serves again when its next hello does not say so", () => {
    const hub = new HubDriver();
    hub.link("link-1", { draining: true });
    hub.link("link-2");
    expect(pushed(hub.push("a"))).toEqual([1]);
  });

  it("is hung up on when the database could not be told, so that its hello says it again", () => {
    const hub = new HubDriver();
    hub.link();
    hub.say({ type: "serving", draining: true });
    expect(hub.feed({ kind: "serving-stored", linkId: "link-1", done: true })).toEqual([]);
    const effects = hub.feed({ kind: "serving-stored", linkId: "link-1", done: false });
    expect(closes(effects)).toEqual([CONTROL_CLOSE.retry]);
    expect(hub.feed({ kind: "serving-stored", linkId: "link-1", done: false })).toEqual([]);
  });

  it("is known to drain by what its socket carries through the hub's sleep", () => {
    const hub = new HubDriver();
    hub.link();
    hub.say({ type: "serving", draining: true });
    const attached = parseAttachment(structuredClone(attachmentOf(hub.state.link)));
    const woken = new HubDriver({
      ...hub.state,
      link: attached === null ? { phase: "none" } : linkOf(attached),
    });
    expect(settled(woken.push("a"))).toEqual([["a", "relay.draining"]]);
  });
});
