/** Everything once that asks the database for the audit trail, for webhooks, or by the clock. */
import { JOBS } from "../../../worker/jobs/jobs.ts";
import { pageCheckpoints, pageHeads } from "../../../worker/services/audit-chains.ts";
import { pageAuditTrail, pageChainLinks } from "../../../worker/services/audit-trail.ts";
import { pageDeliveries, redrive } from "../../../worker/services/webhook-deliveries.ts";
import { deliverWebhooks } from "../../../worker/services/webhook-delivery.ts";
import {
  changeWebhook,
  createWebhook,
  removeWebhook,
  rotateWebhookSecret,
} from "../../../worker/services/webhooks.ts";
import type { Caller } from "../../../worker/services/context.ts";
import type { ControlServices } from "../../harness/control-services.ts";

/** Every filter by itself, with a time, and with others; and what is done to the trail by the clock. */
export async function useAuditTrail({ context }: ControlServices): Promise<void> {
  const one = "x";
  const naming = ["consoleId", "sessionId", "relayId", "actorId", "about", "address", "requestId"];
  const types = [["relay.online"], ["relay.online", "user.logged-in"], ["session.*"]];
  const single = [
    {},
    ...naming.map((name) => ({ [name]: one })),
    ...types.map((list) => ({ types: list })),
  ];
  const range = { fromMs: 1, toMs: 2 };
  const both = naming.map((name) => ({ [name]: one, actorId: one, types: ["relay.online"] }));
  const filters = [...single, ...single.map((filter) => ({ ...filter, ...range })), ...both];
  for (const filter of filters) {
    for (const after of [null, { atMs: 1, id: "aud" }]) {
      await pageAuditTrail(context, { filter, after, limit: 2 });
    }
  }
  await pageChainLinks(context, { after: null, limit: 2 });
  await pageCheckpoints(context, null);
  await pageHeads(context, null);
  for (const { run } of JOBS) {
    await run(context);
  }
}

/** A webhook whose receiver takes nothing, and then does. */
export async function useWebhooks(services: ControlServices, admin: Caller): Promise<void> {
  let status = 500;
  const egress = async (): Promise<Response> => new Response("", { status });
  const context = { ...services.context, egress };
  const input = { url: "https://hooks.example.com/", description: "", events: ["*"] };
  const made = await createWebhook(context, admin, input);
  const id = made.ok ? made.value.webhook.id : "";
  for (const after of [null, { createdAtMs: 1, id: "msg" }]) {
    await deliverWebhooks(context);
    await pageDeliveries(context, id, { after, limit: 2 });
    services.moveClock(60_000);
    status = 200;
  }
  await rotateWebhookSecret(context, admin, id);
  await redrive(context, admin, { webhookId: id, id: "msg" });
  await changeWebhook(context, admin, id, { enabled: false });
  await changeWebhook(context, admin, id, { enabled: true });
  await removeWebhook(context, admin, id);
}
