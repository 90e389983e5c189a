/**
 * The services' way to the hubs: one Durable Object a relay, found by the relay's id. Turns the
 * platform's exceptions (the object was reset, moved or is overloaded) into failures, and never
 * waits longer than the hub itself would.
 */
import type { Result } from "#shared/base/result.ts";
import { fail, ok } from "#shared/base/result.ts";
import { PUSH_ACK_DEADLINE_MS } from "#shared/control/limits.ts";
import type { Env } from "../env.ts";
import { logFailure } from "../log.ts";
import type { Hubs, LinkReport, PushFailure, RelayBar } from "../services/context.ts";
import { linkRefusal } from "./link-refusals.ts";
import type { RelayHub } from "./relay-hub.ts";
import { pushes } from "../telemetry/measures.ts";
import { withDeadline } from "./with-deadline.ts";

export function createHubs(namespace: Env["HUB"]): Hubs {
  return {
    push: async (relayId, command) => {
      const answer = await ask(namespace, relayId, async (hub) => await hub.push(relayId, command));
      const outcome = answer.ok ? "acknowledged" : answer.error.code;
      pushes.add({ kind: command.kind, outcome });
      return answer;
    },
    tellKeys: async (relayId) =>
      await ask(namespace, relayId, async (hub) => await hub.tellKeys(relayId)),
    confirmOnline: async (relayId) => {
      try {
        const hub = hubOf(namespace, relayId);
        await withDeadline(hub.confirmOnline(relayId), HUB_ANSWER_DEADLINE_MS);
      } catch (error) {
        logFailure("hub.unreachable", error, { relayId });
      }
    },
    expel: async (relayId, bar) => {
      await expelFromHub(namespace, relayId, bar);
    },
    report: async (relayId) => await askHub(namespace, relayId),
  };
}

function hubOf(namespace: Env["HUB"], relayId: string): DurableObjectStub<RelayHub> {
  return namespace.get(namespace.idFromName(relayId));
}

async function expelFromHub(namespace: Env["HUB"], relayId: string, bar: RelayBar): Promise<void> {
  const hub = hubOf(namespace, relayId);
  try {
    const expelling = async (): Promise<void> => {
      await hub.expel(relayId, linkRefusal(bar));
    };
    await withDeadline(expelling(), HUB_ANSWER_DEADLINE_MS);
  } catch (error) {
    // The relay is refused at its next hello or connection; its present link ends with the hub.
    logFailure("hub.not-expelled", error, { relayId });
  }
}

async function askHub(namespace: Env["HUB"], relayId: string): Promise<LinkReport | null> {
  const hub = hubOf(namespace, relayId);
  try {
    const asking = async (): Promise<LinkReport> => await hub.report();
    return await withDeadline(asking(), REPORT_DEADLINE_MS);
  } catch {
    return null;
  }
}

async function ask(
  namespace: Env["HUB"],
  relayId: string,
  question: (hub: DurableObjectStub<RelayHub>) => Promise<Result<null, PushFailure>>,
): Promise<Result<null, PushFailure>> {
  const hub = hubOf(namespace, relayId);
  try {
    const answer = await withDeadline(question(hub), HUB_ANSWER_DEADLINE_MS);
    return answer.ok ? ok(null) : fail({ code: answer.error.code, detail: answer.error.detail });
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return fail({
      code: "control.hub-silent",
      detail: `the relay's hub did not answer: ${detail}`,
    });
  }
}

/** The hub answers within its own deadline; the margin is for waking it up and the way there. */
const HUB_ANSWER_DEADLINE_MS = PUSH_ACK_DEADLINE_MS + 1_000;
/** Somebody looks at a page: it is shown without what the hub knows rather than later. */
const REPORT_DEADLINE_MS = 1_000;
