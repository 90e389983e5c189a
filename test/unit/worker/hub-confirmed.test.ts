/** What the hub does when the database shows its relay online and somebody asks whether it is. */
import { describe, expect, it } from "vitest";
import { RESTART_GRACE_MS } from "../../../worker/hub/hub-state.ts";
import { HubDriver } from "./hub-driver.ts";

const ASKED = { kind: "shown-online" } as const;

describe("a relay that is shown online", () => {
  it("is left alone while it is linked, and while it is being greeted", () => {
    const linked = new HubDriver();
    linked.link();
    expect(linked.feed(ASKED)).toEqual([]);
    const greeting = new HubDriver();
    greeting.feed({ kind: "connected", linkId: "link-1" });
    expect(greeting.feed(ASKED)).toEqual([]);
  });

  it("is shown offline, and its sessions end, when its hub knows nothing of it", () => {
    const hub = new HubDriver();
    expect(hub.feed(ASKED)).toEqual([{ kind: "mark-offline", code: "control-plane-restarted" }]);
    hub.feed({ kind: "presence-saved", step: "marked", done: true });
    expect(hub.tickAfter(RESTART_GRACE_MS)).toEqual([{ kind: "end-sessions" }]);
    hub.feed({ kind: "presence-saved", step: "ended", done: true });
    expect(hub.state.presence).toEqual({ kind: "offline" });
  });

  it("is not shown offline a second time while that is under way", () => {
    const hub = new HubDriver();
    hub.feed(ASKED);
    expect(hub.feed(ASKED)).toEqual([]);
  });
});
