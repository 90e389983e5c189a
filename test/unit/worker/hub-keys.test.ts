/** The hub's part in changes of keys: told in order, asked for within bounds, nobody left waiting. */
import { describe, expect, it } from "vitest";
import { CONTROL_CLOSE } from "#shared/control/close-codes.ts";
import type { LinkKeys } from "#shared/control/contract.ts";
import { REQUESTS_OPEN_MAX } from "#shared/control/limits.ts";
import type { HubEffect } from "../../../worker/hub/hub-state.ts";
import { attachmentOf, linkOf, parseAttachment } from "../../../worker/hub/link-attachment.ts";
import { HELLO, HubDriver, WELCOME } from "./hub-driver.ts";

const V2 = { versions: { min: 1, max: 2 } };
const KEYS: LinkKeys = { ticketKeys: WELCOME.ticketKeys, grantKeys: WELCOME.grantKeys };
const REQUEST = { kind: "use-key", token: "token" } as const;

const sent = (effects: readonly HubEffect[]) =>
  effects.flatMap((effect) => (effect.kind === "send" ? [effect.message] : []));
const settled = (effects: readonly HubEffect[]) =>
  effects.flatMap((effect) =>
    effect.kind === "settle" ? [[effect.waiterId, effect.failure?.code ?? null]] : [],
  );
const closes = (effects: readonly HubEffect[]) =>
  effects.flatMap((effect) => (effect.kind === "close" ? [effect.close] : []));
const loads = (effects: readonly HubEffect[]) => effects.filter(({ kind }) => kind === "load-keys");

const loaded = (keys: LinkKeys | null, linkId = "link-1") =>
  ({ kind: "keys-loaded", linkId, waiterId: "w", keys }) as const;

describe("keys that have changed", () => {
  it("are read and sent to a linked relay, before whatever is pushed afterwards", () => {
    const hub = new HubDriver();
    hub.link("link-1", V2);
    expect(hub.feed({ kind: "tell-keys", waiterId: "w" })).toEqual([
      { kind: "load-keys", linkId: "link-1", waiterId: "w" },
    ]);
    const effects = hub.feed(loaded(KEYS));
    expect(sent(effects)).toEqual([{ type: "keys", ...KEYS }]);
    expect(settled(effects)).toEqual([["w", null]]);
  });

  it("need not be told to a relay that is away: its welcome will hold them", () => {
    const hub = new HubDriver();
    expect(settled(hub.feed({ kind: "tell-keys", waiterId: "w" }))).toEqual([
      ["w", "control.offline"],
    ]);
    hub.feed({ kind: "connected", linkId: "link-1" });
    const effects = hub.feed({ kind: "tell-keys", waiterId: "x" });
    expect([settled(effects), loads(effects)]).toEqual([[["x", null]], []]);
  });

  it("are read again behind a welcome that is being made of older ones", () => {
    const hub = new HubDriver();
    hub.feed({ kind: "connected", linkId: "link-1" });
    hub.say({ ...HELLO, ...V2 });
    expect(loads(hub.feed({ kind: "tell-keys", waiterId: "w" }))).toHaveLength(1);
    hub.feed({ kind: "greeted", linkId: "link-1", welcome: WELCOME });
    expect(sent(hub.feed(loaded(KEYS)))).toEqual([{ type: "keys", ...KEYS }]);
  });

  it("make a relay of version 1 connect again, because it knows no other way to learn them", () => {
    const hub = new HubDriver();
    hub.link("link-1");
    const effects = hub.feed({ kind: "tell-keys", waiterId: "w" });
    expect(closes(effects)).toEqual([CONTROL_CLOSE.keysChanged]);
    expect(settled(effects)).toEqual([["w", null]]);
    expect(sent(effects)).toEqual([]);
    expect(hub.state.link).toEqual({ phase: "none" });
  });

  it("make the hub hang up when they cannot be read, so that the next welcome tells them", () => {
    const hub = new HubDriver();
    hub.link("link-1", V2);
    hub.feed({ kind: "tell-keys", waiterId: "w" });
    const effects = hub.feed(loaded(null));
    expect(closes(effects)).toEqual([CONTROL_CLOSE.retry]);
    expect(settled(effects)).toEqual([["w", null]]);
  });

  it("leave nobody waiting when the link is lost or replaced meanwhile", () => {
    for (const replaced of [false, true]) {
      const hub = new HubDriver();
      hub.link("link-1", V2);
      hub.feed({ kind: "tell-keys", waiterId: "w" });
      hub.feed({ kind: "closed", linkId: "link-1", code: "lost" });
      if (replaced) {
        hub.link("link-2", V2);
      }
      const effects = hub.feed(loaded(KEYS));
      expect([settled(effects), sent(effects)]).toEqual([[["w", "control.offline"]], []]);
    }
  });
});

describe("a relay's request", () => {
  const ask = (hub: HubDriver, requestId: string) =>
    hub.say({ type: "request", requestId, request: REQUEST });
  const served = (requestId: string, linkId = "link-1") =>
    ({
      kind: "request-served",
      linkId,
      requestId,
      result: { ok: true, value: { kind: "done" } },
    }) as const;

  it("is carried out and answered", () => {
    const hub = new HubDriver();
    hub.link("link-1", V2);
    expect(ask(hub, "r1")).toEqual([
      { kind: "serve-request", linkId: "link-1", requestId: "r1", request: REQUEST },
    ]);
    expect(sent(hub.feed(served("r1")))).toEqual([
      { type: "answer", requestId: "r1", result: { ok: true, value: { kind: "done" } } },
    ]);
  });

  it("is refused when too many are open, and taken again when one was answered", () => {
    const hub = new HubDriver();
    hub.link("link-1", V2);
    for (let count = 0; count < REQUESTS_OPEN_MAX; count += 1) {
      ask(hub, `r${count}`);
    }
    expect(sent(ask(hub, "more"))).toMatchObject([
      { type: "answer", requestId: "more", result: { error: { code: "control.queue-full" } } },
    ]);
    hub.feed(served("r0"));
    expect(ask(hub, "again")).toMatchObject([{ kind: "serve-request" }]);
  });

  it("is not answered on another link than it was made on", () => {
    const hub = new HubDriver();
    hub.link("link-1", V2);
    ask(hub, "r1");
    hub.link("link-2", V2);
    expect(hub.feed(served("r1"))).toEqual([]);
  });

  it("that was open when the hub lost its memory does not count any more", () => {
    const hub = new HubDriver();
    hub.link("link-1", V2);
    for (let count = 0; count < REQUESTS_OPEN_MAX; count += 1) {
      ask(hub, `r${count}`);
    }
    const attached = parseAttachment(structuredClone(attachmentOf(hub.state.link)));
    const link = attached === null ? ({ phase: "none" } as const) : linkOf(attached);
    expect(ask(new HubDriver({ ...hub.state, link }), "r9")).toMatchObject([
      { kind: "serve-request" },
    ]);
  });
});
