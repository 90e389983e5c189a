/** As much of a browser as a login needs: cookies, redirects within one site, forms. */

export type BrowserAnswer =
  | { readonly kind: "page"; readonly text: string }
  /** Sent to another site, which was not asked. */
  | { readonly kind: "left"; readonly url: string };

export class CookieBrowser {
  readonly #cookies = new Map<string, string>();

  /** Fetches a page; redirects are followed as long as they stay within `site`. */
  async get(url: string, site: string): Promise<BrowserAnswer> {
    return await this.#follow(url, { method: "GET" }, site);
  }

  /** Submits a form. */
  async post(
    url: string,
    fields: Readonly<Record<string, string>>,
    site: string,
  ): Promise<BrowserAnswer> {
    return await this.#follow(url, { method: "POST", body: new URLSearchParams(fields) }, site);
  }

  async #follow(url: string, init: RequestInit, site: string): Promise<BrowserAnswer> {
    let next = { url, init };
    for (let hops = 0; hops < HOPS_MAX; hops += 1) {
      const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
      const response = await fetch(next.url, {
        ...next.init,
        redirect: "manual",
        headers: { Cookie: cookie },
      });
      for (const line of response.headers.getSetCookie()) {
        const [name = "", ...value] = (line.split(";")[0] ?? "").split("=");
        this.#cookies.set(name, value.join("="));
      }
      const location = response.headers.get("Location");
      if (location === null) {
        return { kind: "page", text: await response.text() };
      }
      await response.body?.cancel();
      const target = new URL(location, next.url).href;
      if (!target.startsWith(`${site}/`)) {
        return { kind: "left", url: target };
      }
      next = { url: target, init: { method: "GET" } };
    }
    throw new Error(`more than ${HOPS_MAX} redirects`);
  }
}

const HOPS_MAX = 10;
