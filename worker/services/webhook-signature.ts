/**
 * Signs a webhook's messages as Standard Webhooks says (standardwebhooks.com), so that receivers
 * find a library for it: HMAC-SHA-256 over the message's id, its time and its body.
 */
import { utf8 } from "#shared/base/bytes.ts";
import type { RandomBytes } from "#shared/base/ids.ts";

/** A new secret, as receivers are given it. */
export function newWebhookSecret(randomBytes: RandomBytes): string {
  return SECRET_PREFIX + toBase64(randomBytes(SECRET_BYTES));
}

/** The headers of one attempt. @param secrets one or more; each makes a signature. */
export async function signMessage(
  secrets: readonly string[],
  message: { readonly id: string; readonly atS: number; readonly body: string },
): Promise<Record<string, string>> {
  const signed = utf8(`${message.id}.${message.atS}.${message.body}`);
  const signatures = await Promise.all(
    secrets.map(async (secret) => `v1,${toBase64(await macOf(secret, signed))}`),
  );
  return {
    "webhook-id": message.id,
    "webhook-timestamp": String(message.atS),
    "webhook-signature": signatures.join(" "),
  };
}

async function macOf(secret: string, data: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const raw = Uint8Array.from(atob(secret.slice(SECRET_PREFIX.length)), (letter) =>
    letter.charCodeAt(0),
  );
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", raw, algorithm, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, data));
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

const SECRET_PREFIX = "whsec_";
const SECRET_BYTES = 32;
