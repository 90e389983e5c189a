/** The control plane's address as people type it, made one form, and what follows from it. */
import { fail, ok, type Result } from "#shared/base/result.ts";

/** An http(s) URL without a trailing slash, query, fragment or credentials; else a sentence. */
export function parseControlUrl(text: string): Result<string, string> {
  if (!URL.canParse(text)) {
    return fail(`"${text}" is not a URL; write it like https://kerbside.example.`);
  }
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    return fail(`The control plane's URL must begin with https:// or http://, not ${url.protocol}`);
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    return fail("The control plane's URL must hold no login, query or fragment.");
  }
  return ok(`${url.origin}${url.pathname}`.replace(/\/+$/, ""));
}

/** Where a relay's WebSocket goes. */
export function relayLinkUrl(controlUrl: string): string {
  return `${controlUrl.replace(/^http/, "ws")}/api/v1/relays/link`;
}
