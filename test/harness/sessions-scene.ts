/** Sessions in a control plane without a Worker: a console, a relay, and users who open it. */
import type { ActingUser } from "../../worker/services/context.ts";
import type { RelayEvent } from "#shared/control/contract.ts";
import { createConsole } from "../../worker/services/consoles.ts";
import { storeRelayEvents } from "../../worker/services/relay-events.ts";
import { issueTicket } from "../../worker/services/tickets.ts";
import { type ControlServices, startControlServices } from "./control-services.ts";

export interface SessionsScene extends AsyncDisposable {
  readonly services: ControlServices;
  readonly context: ControlServices["context"];
  readonly admin: ActingUser;
  readonly relayId: string;
  makeConsole(name: string): Promise<string>;
  /** Gives the new session's id. */
  open(caller: ActingUser, consoleId: string): Promise<string>;
  /** Stores what the relay reports, at the clock's time. */
  report(...events: readonly RelayEvent[]): Promise<void>;
}

export async function startSessionsScene(): Promise<SessionsScene> {
  const services = await startControlServices();
  const { context } = services;
  const admin = await services.makeCaller("admin", "admin");
  const relayId = await services.makeRelay("relay");
  let seq = 0;
  return {
    services,
    context,
    admin,
    relayId,
    makeConsole: async (name) => {
      const input = { name, host: "10.0.0.5", port: 5900, source: "static" };
      const created = await createConsole(context, admin, input);
      if (!created.ok) {
        throw new Error(created.error.code);
      }
      return created.value.id;
    },
    open: async (caller, consoleId) => {
      const issued = await issueTicket(context, caller, consoleId);
      if (!issued.ok) {
        throw new Error(issued.error.code);
      }
      return issued.value.sessionId;
    },
    report: async (...events) => {
      const numbered = events.map((event) => {
        seq += 1;
        return { seq, atMs: context.nowMs(), event };
      });
      await storeRelayEvents(context, relayId, "stream", numbered);
    },
    [Symbol.asyncDispose]: async () => await services[Symbol.asyncDispose](),
  };
}
