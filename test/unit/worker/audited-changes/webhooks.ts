/** Changes of webhooks and of the trail itself, and what the audit trail tells of them. */
import { sql } from "drizzle-orm";
import { makeCheckpoint } from "../../../../worker/services/audit-checkpoints.ts";
import { redrive } from "../../../../worker/services/webhook-deliveries.ts";
import { deliverWebhooks } from "../../../../worker/services/webhook-delivery.ts";
import {
  changeWebhook,
  createWebhook,
  readWebhooks,
  removeWebhook,
  rotateWebhookSecret,
} from "../../../../worker/services/webhooks.ts";
import { answer, startWebhookReceiver } from "../../../harness/webhook-receiver.ts";
import type { Scene } from "../audit-scene.ts";
import type { Changes } from "./change.ts";

const DAY_MS = 24 * 60 * 60_000;

const HOOK = { url: "https://hooks.example.com/kerbside", description: "", events: ["relay.*"] };

const makeHook = async ({ context, admin }: Scene) =>
  void (await createWebhook(context, admin, HOOK));

const hookId = async ({ context }: Scene) => (await readWebhooks(context))[0]?.id ?? "";

const enable = async (scene: Scene, enabled: boolean) =>
  void (await changeWebhook(scene.context, scene.admin, await hookId(scene), { enabled }));

export const WEBHOOKS_CHANGES: Changes = {
  "a new webhook": {
    tells: ["webhook.created"],
    make: makeHook,
  },
  "a changed webhook": {
    tells: ["webhook.updated"],
    before: makeHook,
    make: async (scene) => {
      const changes = { description: "other" };
      return await changeWebhook(scene.context, scene.admin, await hookId(scene), changes);
    },
  },
  "an enabled webhook": {
    tells: ["webhook.updated", "webhook.enabled"],
    before: async (scene) => {
      await makeHook(scene);
      await enable(scene, false);
    },
    make: async (scene) => await enable(scene, true),
  },
  "a webhook's other secret": {
    tells: ["webhook.secret-rotated"],
    before: makeHook,
    make: async (scene) =>
      await rotateWebhookSecret(scene.context, scene.admin, await hookId(scene)),
  },
  "a webhook whose receiver is gone": {
    tells: ["webhook.disabled"],
    looksAt: "SELECT enabled FROM webhooks",
    before: makeHook,
    make: async ({ context }) => {
      await using receiver = await startWebhookReceiver();
      receiver.react(answer(410));
      await context.database.run(sql`UPDATE webhooks
        SET url = ${receiver.url}, events = '["*"]', position = 0, lease_until_ms = 0`);
      // A control plane that is itself on loopback may send there.
      const settings = { ...context.settings, publicUrl: "http://127.0.0.1:8787" };
      await deliverWebhooks({ ...context, settings });
    },
  },
  "a message that is sent again": {
    tells: ["webhook.redriven"],
    before: async (scene) => {
      await makeHook(scene);
      await scene.context.database.run(sql`INSERT INTO webhook_deliveries (id, webhook_id,
        first_position, last_position, state, attempts, created_at_ms, attempted_at_ms)
        VALUES ('msg', ${await hookId(scene)}, 1, 1, 'dead', 1, 1, 1)`);
    },
    make: async (scene) =>
      await redrive(scene.context, scene.admin, { webhookId: await hookId(scene), id: "msg" }),
  },
  "a deleted webhook": {
    tells: ["webhook.deleted"],
    before: makeHook,
    make: async (scene) => await removeWebhook(scene.context, scene.admin, await hookId(scene)),
  },
  "a cut of the trail": {
    tells: ["audit.retention-applied"],
    before: async ({ services, context }) => {
      await makeCheckpoint(context);
      services.moveClock(11 * DAY_MS);
    },
    make: async ({ context }) => {
      const settings = { ...context.settings, auditRetentionMs: 10 * DAY_MS };
      return await makeCheckpoint({ ...context, settings });
    },
  },
};
