/** Performs the hub's effects about keys and certificates. Each feeds its outcome back, once. */
import { fail } from "#shared/base/result.ts";
import type { ServiceContext } from "../services/context.ts";
import { loadKeysOfRelay } from "../services/link-keys.ts";
import { serveRelayRequest } from "../services/relay-requests.ts";
import type { HubEffect, HubInput } from "./hub-state.ts";

export type KeyEffect = Extract<HubEffect, { kind: "load-keys" | "serve-request" }>;

export interface KeyWorkPorts {
  readonly relayId: string;
  readonly feed: (input: HubInput) => void;
  /** The work's value, or undefined when it failed or took too long. */
  readonly attempt: <Value>(
    work: (context: ServiceContext) => Promise<Value>,
  ) => Promise<Value | undefined>;
}

export async function workOnKeys(effect: KeyEffect, ports: KeyWorkPorts): Promise<void> {
  const { relayId, feed, attempt } = ports;
  const { linkId } = effect;
  if (effect.kind === "load-keys") {
    const keys = await attempt(async (context) => await loadKeysOfRelay(context, relayId));
    feed({ kind: "keys-loaded", linkId, waiterId: effect.waiterId, keys: keys ?? null });
    return;
  }
  const { requestId, request } = effect;
  const result = await attempt(
    async (context) => await serveRelayRequest(context, relayId, request),
  );
  feed({ kind: "request-served", linkId, requestId, result: result ?? NOT_SERVED });
}

const NOT_SERVED = fail({
  code: "database.unavailable",
  detail: "it was not done in time",
} as const);
