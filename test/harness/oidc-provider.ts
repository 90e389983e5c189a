/**
 * A real OpenID provider (oidc-provider, a certified implementation) on the loopback interface,
 * with people of a test's own, and a browser that logs them in. Ends with `await using`.
 */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Provider, type Configuration } from "oidc-provider";
import { CookieBrowser } from "./cookie-browser.ts";

export interface OidcPerson {
  readonly sub: string;
  readonly preferred_username?: string;
  readonly name?: string;
  readonly email?: string;
  readonly groups?: readonly string[];
}

export const OIDC_CLIENT = { clientId: "kerbside", clientSecret: "client-secret-of-the-test" };

export class TestOidcProvider implements AsyncDisposable {
  readonly issuer: string;
  /** By subject; what stands here is what the provider says from now on. */
  readonly people = new Map<string, OidcPerson>();
  readonly #server: Server;

  private constructor(server: Server, issuer: string) {
    this.#server = server;
    this.issuer = issuer;
  }

  /** @param groupsInIdToken else groups and names are what its userinfo endpoint alone tells. */
  static async start(options: {
    readonly redirectUri: string;
    readonly groupsInIdToken?: boolean;
  }): Promise<TestOidcProvider> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const issuer = `http://127.0.0.1:${port}`;
    const own = new TestOidcProvider(server, issuer);
    const provider = new Provider(issuer, own.#configuration(options));
    const handle = provider.callback();
    server.on("request", (request, response) => void handle(request, response));
    return own;
  }

  /**
   * Logs a person in as a browser would: from Kerbside's redirect through the provider's forms to
   * the address that the provider sends the browser back to, which is not fetched.
   */
  async logIn(authorizationUrl: string, subject: string): Promise<string> {
    const browser = new CookieBrowser();
    let answer = await browser.get(authorizationUrl, this.issuer);
    for (let forms = 0; forms < FORMS_MAX && answer.kind === "page"; forms += 1) {
      const action = /<form[^>]*action="([^"]+)"/.exec(answer.text)?.[1] ?? "";
      const prompt = /name="prompt" value="([^"]+)"/.exec(answer.text)?.[1] ?? "";
      const fields = { prompt, ...(prompt === "login" ? { login: subject, password: "any" } : {}) };
      answer = await browser.post(new URL(action, this.issuer).href, fields, this.issuer);
    }
    if (answer.kind === "page") {
      throw new Error(`the provider did not send the browser back: ${answer.text.slice(0, 500)}`);
    }
    return answer.url;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  #configuration(options: {
    readonly redirectUri: string;
    readonly groupsInIdToken?: boolean;
  }): Configuration {
    return {
      clients: [
        {
          client_id: OIDC_CLIENT.clientId,
          client_secret: OIDC_CLIENT.clientSecret,
          redirect_uris: [options.redirectUri],
        },
      ],
      claims: {
        openid: ["sub"],
        profile: ["name", "preferred_username"],
        email: ["email"],
        groups: ["groups"],
      },
      // The specification's default is that such claims are in the userinfo alone.
      conformIdTokenClaims: options.groupsInIdToken !== true,
      findAccount: (_context, subject) => ({
        accountId: subject,
        claims: () => ({ ...this.people.get(subject), sub: subject }),
      }),
      pkce: { required: () => true },
      cookies: { keys: ["a key of the test"] },
      features: { devInteractions: { enabled: true } },
    };
  }
}

/** Login and consent. */
const FORMS_MAX = 4;
