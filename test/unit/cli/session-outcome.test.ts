import { describe, expect, it } from "vitest";
import { ERRORS } from "#shared/errors/catalogue.ts";
import { outcomeOf } from "../../../relay/cli/session-outcome.ts";
import { SESSION } from "./fake-answers.ts";

const session = (facts: Partial<Parameters<typeof outcomeOf>[0]>) =>
  outcomeOf({ ...SESSION, state: "ended", ...facts });

describe("what is told of a session after the viewer has ended", () => {
  it.each([
    ["taken-over", "Another session opened this console"],
    ["idle", "as long as its policy allows without input"],
    ["server-closed", "The virtual machine's console was closed by its server."],
    ["duration-exceeded", "as long as its policy allows"],
    ["outside-hours", "at other hours only"],
    ["control-lost", "had lost the control plane"],
    ["relay-drained", "maintenance"],
    ["relay-fault", "crashed"],
    ["terminated", "by an admin"],
  ])("is why it ended: %s", (endReason, words) => {
    const outcome = session({ endReason });
    expect(outcome).toMatchObject({ opened: true });
    expect(outcome?.sentence).toContain(words);
  });

  it.each(["client-closed", "never-opened", "some-new-reason"])(
    "is nothing where there is nothing to tell: %s",
    (endReason) => {
      expect(session({ endReason })).toBeNull();
    },
  );

  it("says after how many seconds without use it ended, to who may know", () => {
    const idle = session({ endReason: "idle", endDetail: "nothing moved for 90 s" });
    expect(idle?.sentence).toBe(
      "The session ended after 90 s without input or a change of the picture (its policy).",
    );
  });

  it.each([
    ["pending", null],
    ["ended", "never-opened"],
  ])("is why its relay refused it, when it never opened: %s", (state, endReason) => {
    expect(session({ state, endReason, refusedCode: "console.in-use" })).toEqual({
      opened: false,
      sentence: `The console could not be opened: ${ERRORS["console.in-use"].hint}`,
    });
  });

  it("is the exact reason for admins with the code's advice, and the advice for others", () => {
    const refusedCode = "server.ticket-refused";
    const failed = { endReason: "failed", refusedCode };
    const { hint } = ERRORS[refusedCode];
    const endDetail = "server.ticket-refused: the server answered PERMISSION_DENIED";
    expect(session({ ...failed, endDetail })?.sentence).toBe(
      `The console could not be opened: ${endDetail}. ${hint}`,
    );
    expect(session({ ...failed, endDetail: null })?.sentence).toBe(
      `The console could not be opened: ${hint}`,
    );
    expect(session({ endReason: "failed", endDetail: "spoke VNC." })?.sentence).toBe(
      "The console could not be opened: spoke VNC.",
    );
    expect(session({ endReason: "failed", endDetail: null })?.sentence).toContain("an admin");
  });

  it("is that somebody was there before it, when it had to give way to him at once", () => {
    const gaveWay = session({ endReason: "terminated", refusedCode: "console.in-use" });
    expect(gaveWay).toMatchObject({ opened: false });
    expect(gaveWay?.sentence).toContain(ERRORS["console.in-use"].hint);
  });

  it("is nothing of an old refusal once the session is open", () => {
    expect(session({ state: "active", refusedCode: "console.in-use" })).toBeNull();
  });
});
