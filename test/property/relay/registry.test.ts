/** The registry under any interleaving: no ticket opens two sessions, every account closes. */
import { randomBytes } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ok } from "#shared/base/result.ts";
import { withLimits } from "../../../relay/limits.ts";
import type { AdmittedChannel } from "../../../relay/sessions/ports.ts";
import { Registry } from "../../../relay/sessions/registry.ts";
import { type Issued, makeControl } from "../../harness/relay/fake-control.ts";
import { RecordedEvents } from "../../harness/relay/recorded-events.ts";

const NOTHING = () => {};
const observer = {
  ticketRefused: NOTHING,
  channelRefused: NOTHING,
  channelOpened: NOTHING,
  channelEnded: NOTHING,
  sessionEnded: NOTHING,
};

interface Step {
  readonly kind: "push" | "withdraw" | "terminate" | "main" | "join" | "end";
  readonly which: number;
}

const steps = fc.array(
  fc.record({
    kind: fc.constantFrom("push", "withdraw", "terminate", "main", "main", "join", "end"),
    which: fc.nat(2),
  }),
  { maxLength: 25 },
);

describe("the registry under any interleaving", () => {
  it("opens each ticket once, and balances every account", async () => {
    const control = await makeControl();
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), steps, async (scheduler, script) => {
        const issued = await Promise.all([control.issue(), control.issue(), control.issue()]);
        const byHash = new Map(issued.map((one) => [one.hash, one.grant]));
        const events = new RecordedEvents();
        const registry = new Registry({
          keyRing: control.ring,
          lookup: {
            lookup: async (hash) => scheduler.schedule(Promise.resolve(ok(byHash.get(hash) ?? ""))),
          },
          events,
          observer,
          limits: withLimits({ mainGraceMs: 0 }),
          nowMs: Date.now,
          randomBytes,
        });
        const channels: AdmittedChannel[] = [];
        const opened: string[] = [];
        const perform = async (step: Step): Promise<void> => {
          const target = issued[step.which] as Issued;
          const { sessionId } = target;
          const password = target.ticket;
          if (step.kind === "push") {
            await registry.apply({ kind: "grant", grant: target.grant });
          } else if (step.kind === "withdraw") {
            registry.withdraw(sessionId);
          } else if (step.kind === "terminate") {
            registry.terminate(sessionId, "test");
          } else if (step.kind === "end") {
            channels[step.which]?.end(END);
          } else {
            const isMain = step.kind === "main";
            const admitted = await registry.admit({
              password,
              channel: isMain ? "main" : "display",
              channelId: 0,
              connectionId: isMain ? 0 : 7,
              clientAddress: "192.0.2.1",
            });
            if (admitted.ok) {
              channels.push(admitted.value);
              admitted.value.opened();
              admitted.value.learnConnectionId(7);
              opened.push(...(isMain ? [sessionId] : []));
            }
          }
        };
        const running = script.map((step) =>
          scheduler.schedule(Promise.resolve()).then(() => perform(step)),
        );
        await scheduler.waitFor(Promise.all(running));
        for (const channel of channels) {
          channel.end(END);
        }
        expect(new Set(opened).size).toBe(opened.length);
        expect(events.of("session.opened").map((event) => event.sessionId)).toEqual(opened);
        const ended = events.of("session.ended").map((event) => event.sessionId);
        expect(ended.sort()).toEqual(opened.sort());
        expect(events.of("channel.closed")).toHaveLength(events.of("channel.opened").length);
        expect(registry.counts()).toMatchObject({ sessions: 0, channels: 0 });
      }),
      { numRuns: 150 },
    );
  });
});

const END = { by: "client", code: "closed", detail: "", clientBytes: 0, serverBytes: 0 } as const;
