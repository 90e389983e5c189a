/** Webhooks' secrets in the database: where each is kept, and the way into and out of there. */
import type { ServiceContext } from "./context.ts";
import { sealSecret, unsealSecret } from "./secrets.ts";

/** Whether it signs now, or is the one before it, which signs too for a while. */
export type WebhookSecretKind = "present" | "old";

export async function sealWebhookSecret(
  context: Pick<ServiceContext, "settings" | "randomBytes">,
  place: { readonly id: string; readonly kind: WebhookSecretKind },
  secret: string,
): Promise<string> {
  return await sealSecret(context, secretPlace(place), secret);
}

/** Null when it was sealed with a key that the settings do not hold, altered, or moved. */
export async function unsealWebhookSecret(
  context: Pick<ServiceContext, "settings">,
  place: { readonly id: string; readonly kind: WebhookSecretKind },
  sealed: string,
): Promise<string | null> {
  return await unsealSecret(context, secretPlace(place), sealed);
}

function secretPlace(place: { readonly id: string; readonly kind: WebhookSecretKind }) {
  return {
    column: place.kind === "present" ? "webhooks.sealed_secret" : "webhooks.sealed_old_secret",
    rowId: place.id,
  } as const;
}
