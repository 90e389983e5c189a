/** Look-ups of grants over the control link: each ends, whatever becomes of the link. */
import { describe, expect, it } from "vitest";
import { LOOKUP_DEADLINE_MS, LOOKUPS_OPEN_MAX } from "#shared/control/limits.ts";
import { initialLinkState } from "../../../relay/control/link-state.ts";
import type { LinkInput, LinkStep } from "../../../relay/control/link-types.ts";
import { NOW, run, message, linked } from "./link-steps.ts";

describe("look-ups", () => {
  const ask = (requestId: string): LinkInput => ({ kind: "lookup", requestId, ticketHash: "hash" });
  const settled = (step: LinkStep): unknown[] =>
    step.effects.flatMap((effect) => (effect.kind === "settle" ? [effect.result] : []));

  it("are unverifiable at once while there is no link", () => {
    expect(settled(run(initialLinkState(), [ask("a")]))).toEqual([
      { ok: false, error: "unverifiable" },
    ]);
  });

  it.each([
    [
      { grant: "jws", reason: null },
      { ok: true, value: "jws" },
    ],
    [
      { grant: null, reason: "used" as const },
      { ok: false, error: "used" },
    ],
    [
      { grant: null, reason: null },
      { ok: false, error: "unknown" },
    ],
  ])("settle with the answer %o", (answer, result) => {
    const asked = run(linked(), [ask("a"), ask("b")]).state;
    const step = run(asked, [message({ type: "lookup-answer", requestId: "a", ...answer })]);
    expect(settled(step)).toEqual([result]);
    expect(step.state.lookups.map(({ requestId }) => requestId)).toEqual(["b"]);
  });

  it("end at their deadline, and a later answer is nobody's", () => {
    const asked = run(linked(), [ask("a")]).state;
    const late = run(asked, [{ kind: "tick" }], NOW + LOOKUP_DEADLINE_MS);
    expect(settled(late)).toEqual([{ ok: false, error: "unverifiable" }]);
    const answer = message({ type: "lookup-answer", requestId: "a", grant: "jws", reason: null });
    expect(settled(run(late.state, [answer]))).toEqual([]);
  });

  it("end with the link", () => {
    const asked = run(linked(), [ask("a"), ask("b")]).state;
    expect(settled(run(asked, [{ kind: "closed", detail: "" }]))).toHaveLength(2);
    expect(settled(run(asked, [{ kind: "stop" }]))).toHaveLength(2);
  });

  it("beyond the bound are unverifiable at once", () => {
    let state = linked();
    for (let count = 0; count < LOOKUPS_OPEN_MAX; count += 1) {
      ({ state } = run(state, [ask(`r${count}`)]));
    }
    expect(settled(run(state, [ask("one more")]))).toEqual([{ ok: false, error: "unverifiable" }]);
  });
});
