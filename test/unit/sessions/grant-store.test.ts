import { describe, expect, it } from "vitest";
import { DEFAULT_POLICY } from "#shared/policy/policy.ts";
import type { Grant } from "#shared/ticket/grant.ts";
import { GrantStore, type HeldGrant } from "../../../relay/sessions/grant-store.ts";

const NOW_MS = 1_000_000;

function held(changes: Partial<Grant> & { readonly label?: string } = {}): HeldGrant {
  const { label = "label", ...claims } = changes;
  const grant = { sessionId: "s", ticketHash: "h", jti: "j", exp: 2_000, ...claims };
  return { grant: { policy: DEFAULT_POLICY, consoleId: "c", ...grant } as Grant, label, kid: "k" };
}

function makeStore(): GrantStore {
  const bound = { grantsMax: 3, usedTicketsMax: 3, withdrawnMax: 3 };
  return new GrantStore({ ...bound, usedTicketMarginMs: 0 });
}

describe("held grants", () => {
  it("are found by ticket and by label, until they are used, withdrawn or over", () => {
    const store = makeStore();
    const one = held();
    store.hold(one, NOW_MS);
    expect(store.held("h")).toBe(one);
    expect(store.heldByLabel("label")).toBe(one);
    store.use(one, 0, NOW_MS);
    expect(store.heldByLabel("label")).toBeNull();
    store.hold(held({ sessionId: "t", ticketHash: "i", label: "m" }), NOW_MS);
    store.withdraw("t");
    expect(store.heldByLabel("m")).toBeNull();
    store.hold(held({ sessionId: "u", ticketHash: "j", label: "n" }), NOW_MS);
    store.sweep(2_000_000);
    expect(store.heldByLabel("n")).toBeNull();
    expect(store.counts().held).toBe(0);
  });

  it("stay the same when they come again, so that an admission under way goes on", () => {
    const store = makeStore();
    const one = held();
    store.hold(one, NOW_MS);
    expect(store.hold(held(), NOW_MS)).toBe(true);
    expect(store.held("h")).toBe(one);
  });

  it("replace their session's earlier one", () => {
    const store = makeStore();
    store.hold(held(), NOW_MS);
    store.hold(held({ ticketHash: "i", jti: "k", label: "m" }), NOW_MS);
    expect([store.held("h"), store.heldByLabel("label")]).toEqual([null, null]);
    expect(store.held("i")?.grant.jti).toBe("k");
  });

  it("replace their ticket's earlier one, whose withdrawal then voids nothing", () => {
    const store = makeStore();
    store.hold(held(), NOW_MS);
    store.hold(held({ sessionId: "t", jti: "k" }), NOW_MS);
    store.withdraw("s");
    expect(store.held("h")?.grant.sessionId).toBe("t");
    store.withdraw("t");
    expect(store.counts().held).toBe(0);
  });

  it("go where that is so, and with them what they are found by", () => {
    const store = makeStore();
    store.hold({ ...held(), kid: "old" }, NOW_MS);
    const others = { sessionId: "t", ticketHash: "i", label: "m" };
    store.hold({ ...held(others), kid: "new" }, NOW_MS);
    store.dropWhere(({ kid }) => kid === "old");
    expect([store.held("h"), store.held("i")?.kid]).toEqual([null, "new"]);
    expect(store.heldByLabel("label")).toBeNull();
    // Only dropped: its session may be granted anew.
    expect(store.hold(held(), NOW_MS)).toBe(true);
  });
});
