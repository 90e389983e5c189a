import { describe, it } from "vitest";
import type { Caller } from "../../../../worker/services/context.ts";
import { pageDeliveries, redrive } from "../../../../worker/services/webhook-deliveries.ts";
import { deliverWebhooks } from "../../../../worker/services/webhook-delivery.ts";
import {
  changeWebhook,
  createWebhook,
  removeWebhook,
  rotateWebhookSecret,
} from "../../../../worker/services/webhooks.ts";
import type { ControlServices } from "../../../harness/control-services.ts";
import { expectIndexed } from "./expect-indexed.ts";

describe("what is asked of the database about webhooks", () => {
  it("is answered through indexes, in the order that they keep", async () => {
    await expectIndexed(10, useWebhooks);
  });
});

/** A webhook whose receiver takes nothing, and then does. */
async function useWebhooks(services: ControlServices, admin: Caller): Promise<void> {
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
