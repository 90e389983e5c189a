/** The one place that seals webhooks' secrets for the database, and opens them again. */
import { seal, unseal } from "#shared/ticket/seal.ts";
import type { ServiceContext } from "./context.ts";

export async function sealWebhookSecret(
  context: Pick<ServiceContext, "settings" | "randomBytes">,
  secret: string,
): Promise<string> {
  return await seal(context.settings.secretsKey, secret, context.randomBytes);
}

/** Null when it was sealed with another key, or altered. */
export async function unsealWebhookSecret(
  context: Pick<ServiceContext, "settings">,
  sealed: string,
): Promise<string | null> {
  return await unseal(context.settings.secretsKey, sealed);
}
