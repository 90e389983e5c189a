/** How a connection of the link's state ends, pure, and when the next one is tried. */
import { LEASE_MS, RELINK_MS_MAX } from "#shared/control/limits.ts";
import { CONTROL_LOG } from "./control-log.ts";
import { endLookups } from "./link-lookups.ts";
import { endRequests } from "./link-requests.ts";
import { after, log } from "./link-step.ts";
import type { LinkContext, LinkRefusal, LinkState, LinkStep } from "./link-types.ts";

/** The hub said what it may not say. */
export function malformed(state: LinkState, context: LinkContext, detail: string): LinkStep {
  const lost = lose(state, context, { detail, code: "control.malformed" });
  return {
    state: lost.state,
    effects: [log("error", CONTROL_LOG.malformed, { detail }), ...lost.effects],
  };
}

/** Hub or relay does not want the other: neither is tried again soon. */
export function refused(
  state: LinkState,
  context: LinkContext,
  refusal: LinkRefusal,
  closeReason: string = refusal.code,
): LinkStep {
  const { code, detail } = refusal;
  const lost = lose(state, context, { detail, code: closeReason });
  // Nothing that a quick retry could change: the upper half of the longest back-off.
  const retryAtMs = context.nowMs + (BACKOFF_MS_MAX * (1 + context.chance)) / 2;
  return {
    state: { ...lost.state, phase: { name: "waiting", retryAtMs }, refusal: { code, detail } },
    effects: [log("error", CONTROL_LOG.refused, { code, detail }), ...lost.effects],
  };
}

/** Gives the connection up and waits: exponential back-off with full jitter. */
export function lose(
  state: LinkState,
  context: LinkContext,
  why: { readonly detail: string; readonly code?: string },
): LinkStep {
  const { phase } = state;
  const lasted = phase.name === "linked" && context.nowMs - phase.sinceMs >= LEASE_MS;
  const failures = lasted ? 0 : state.failures;
  const ceilingMs = Math.min(BACKOFF_MS_MAX, BACKOFF_BASE_MS * 2 ** failures);
  const waitMs = Math.floor(ceilingMs * context.chance);
  const left = after(endLookups(state), endRequests);
  return {
    state: {
      ...left.state,
      phase: { name: "waiting", retryAtMs: context.nowMs + waitMs },
      queue: [],
      openBatches: [],
      failures: Math.min(failures + 1, FAILURES_COUNTED_MAX),
    },
    effects: [
      log("warn", CONTROL_LOG.lost, { phase: phase.name, detail: why.detail, waitMs }),
      { kind: "close", reason: why.code ?? "" },
      ...left.effects,
    ],
  };
}

/** Lets the connection go for good. */
export function stop(state: LinkState): LinkStep {
  const left = after(endLookups(state), endRequests);
  return {
    state: { ...left.state, phase: { name: "stopped" }, queue: [], openBatches: [] },
    effects: [...left.effects, { kind: "close", reason: "" }],
  };
}

/** The first wait's upper end after a link that lasted. */
export const BACKOFF_BASE_MS = 250;
export const BACKOFF_MS_MAX = RELINK_MS_MAX;
/** Beyond this the ceiling no longer grows; keeps 2 ** failures finite. */
const FAILURES_COUNTED_MAX = 16;
