/** Sends one message to a webhook: its address judged anew, its body made and signed. */
import type { WebhookRow } from "../repositories/webhooks.ts";
import type { ServiceContext } from "./context.ts";
import { attemptDelivery, type AttemptOutcome } from "./webhook-attempt.ts";
import { unsealWebhookSecret } from "./webhook-secrets.ts";
import { signMessage } from "./webhook-signature.ts";
import { isDevelopment, judgeTarget, type TargetRules } from "./webhook-targets.ts";

export type MessageOutcome = AttemptOutcome;

export interface OutgoingMessage {
  readonly id: string;
  /** JSON texts; none make a message that only tries the way. */
  readonly events: readonly string[];
  readonly createdAtMs: number;
}

/** What the settings allow webhooks to be. */
export function targetRules({ settings }: Pick<ServiceContext, "settings">): TargetRules {
  return {
    allowPrivate: settings.webhookPrivateTargets,
    development: isDevelopment(settings.publicUrl),
  };
}

export async function sendMessage(
  context: ServiceContext,
  webhook: WebhookRow,
  message: OutgoingMessage,
): Promise<MessageOutcome> {
  const target = judgeTarget(webhook.url, targetRules(context));
  if (!target.ok) {
    return { status: null, error: "target-forbidden" };
  }
  const secrets = await readSecrets(context, webhook);
  if (secrets.length === 0) {
    return { status: null, error: "secret-unreadable" };
  }
  const { id } = message;
  const body = writeBody(message);
  const atS = Math.floor(context.nowMs() / 1000);
  const headers = await signMessage(secrets, { id, atS, body });
  return await attemptDelivery(context, target.value, { headers, body });
}

/** The events are JSON already, and go out as they are. */
function writeBody({ events, createdAtMs }: OutgoingMessage): string {
  const type = events.length === 0 ? "webhook.test" : "audit.events";
  const timestamp = new Date(createdAtMs).toISOString();
  return `{"type":"${type}","timestamp":"${timestamp}","data":{"events":[${events.join(",")}]}}`;
}

/** The secret, and the one before while receivers may still check by that. */
async function readSecrets(context: ServiceContext, webhook: WebhookRow): Promise<string[]> {
  const { sealedSecret, sealedOldSecret, oldSecretUntilMs } = webhook;
  const isOldUsed = sealedOldSecret !== null && context.nowMs() < oldSecretUntilMs;
  const { id } = webhook;
  const secrets = await Promise.all([
    unsealWebhookSecret(context, { id, kind: "present" }, sealedSecret),
    ...(isOldUsed ? [unsealWebhookSecret(context, { id, kind: "old" }, sealedOldSecret)] : []),
  ]);
  return secrets.filter((secret) => secret !== null);
}
