/** The control plane's API as tests use it: as the admin, over HTTP, whatever host it runs on. */
import { z } from "zod";
import type { PartialPolicy } from "#shared/policy/policy.ts";
import { parseVvFile } from "#shared/ticket/vv-file.ts";
import type { Way } from "#shared/ticket/way.ts";
import { enrolRelay } from "../../relay/control/enrolment.ts";
import { eventually } from "./deadline.ts";

/** An answer of the API. */
export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; null when it is none. */
  readonly json: unknown;
}

export interface ConsoleTarget {
  readonly host?: string;
  readonly port?: number;
  readonly tlsPort?: number;
  readonly ca?: string;
  readonly hostSubject?: string;
  readonly proxy?: string;
  readonly password?: string;
  /** What differs from the default policy. */
  readonly policy?: PartialPolicy;
}

const ticketSchema = z.object({ sessionId: z.string(), vvUrl: z.string(), expiresAt: z.string() });
export type IssuedTicket = z.infer<typeof ticketSchema>;

const sessionSchema = z.looseObject({
  id: z.string(),
  state: z.enum(["pending", "active", "ended"]),
  endReason: z.string().nullable(),
  endDetail: z.string().nullable(),
  clientAddress: z.string().nullable(),
  clientBytes: z.int(),
  serverBytes: z.int(),
});
export type SessionView = z.infer<typeof sessionSchema>;

const auditSchema = z.looseObject({
  id: z.string(),
  type: z.string(),
  sessionId: z.string().nullable(),
  relayId: z.string().nullable(),
  data: z.record(z.string(), z.unknown()),
});
export type AuditView = z.infer<typeof auditSchema>;

export class ControlClient {
  readonly url: string;
  #token = "";

  constructor(url: string) {
    this.url = url;
  }

  /** From then on calls are made as that user. */
  async logIn(username: string, password: string): Promise<void> {
    const answer = await this.call("POST", "/auth/login", { username, password });
    if (answer.status !== 200) {
      throw new Error(`POST /auth/login answered ${answer.status}: ${answer.text}`);
    }
    this.#token = z.object({ token: z.string() }).parse(answer.json).token;
  }

  /** Calls the API, once logged in as that user. */
  async call(method: string, path: string, body?: object): Promise<ApiAnswer> {
    const response = await fetch(path.startsWith("http") ? path : `${this.url}/api/v1${path}`, {
      method,
      headers: {
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(this.#token === "" ? {} : { authorization: `Bearer ${this.#token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json") === true;
    const json: unknown = isJson ? JSON.parse(text) : null;
    return { status: response.status, headers: response.headers, text, json };
  }

  /** An answer that is read as it comes. */
  async stream(path: string): Promise<Response> {
    return await fetch(`${this.url}/api/v1${path}`, {
      headers: { authorization: `Bearer ${this.#token}` },
    });
  }

  async createConsole(name: string, target: ConsoleTarget): Promise<string> {
    const answer = await this.call("POST", "/consoles", { host: "127.0.0.1", name, ...target });
    if (answer.status !== 201) {
      throw new Error(`POST /consoles answered ${answer.status}: ${answer.text}`);
    }
    return z.object({ id: z.string() }).parse(answer.json).id;
  }

  async requestTicket(consoleId: string, way: Way = "tls"): Promise<IssuedTicket> {
    const answer = await this.call("POST", `/consoles/${consoleId}/tickets`, { way });
    if (answer.status !== 201) {
      throw new Error(`POST tickets answered ${answer.status}: ${answer.text}`);
    }
    return ticketSchema.parse(answer.json);
  }

  /** The text of a ticket's console file, which is given out once. */
  async fetchVv(ticket: IssuedTicket): Promise<string> {
    const answer = await this.call("GET", ticket.vvUrl);
    if (answer.status !== 200) {
      throw new Error(`GET ${ticket.vvUrl} answered ${answer.status}: ${answer.text}`);
    }
    return answer.text;
  }

  /** A ticket's text, for clients that take no console file. */
  async ticketText(ticket: IssuedTicket): Promise<string> {
    const parsed = parseVvFile(await this.fetchVv(ticket));
    if (!parsed.ok) {
      throw new Error("the console file does not parse");
    }
    return parsed.value.password;
  }

  async session(id: string): Promise<SessionView> {
    return sessionSchema.parse((await this.call("GET", `/sessions/${id}`)).json);
  }

  /** The session once it is in that state. */
  async sessionIn(id: string, state: SessionView["state"], timeoutMs = 15_000) {
    return await eventually(
      `session ${id} is ${state}`,
      async () => {
        const session = await this.session(id);
        return session.state === state ? session : null;
      },
      { timeoutMs },
    );
  }

  /** The audit trail of a filter, oldest first. */
  async audit(filter: Readonly<Record<string, string>>): Promise<AuditView[]> {
    const query = new URLSearchParams({ limit: "100", ...filter });
    const answer = await this.call("GET", `/audit?${query.toString()}`);
    return z
      .object({ items: z.array(auditSchema) })
      .parse(answer.json)
      .items.toReversed();
  }

  /** The first audit event that matches, once it is there. */
  async auditEvent(
    filter: Readonly<Record<string, string>>,
    matches: (event: AuditView) => boolean = () => true,
  ): Promise<AuditView> {
    return await eventually(`audit event ${JSON.stringify(filter)}`, async () => {
      return (await this.audit(filter)).find(matches) ?? null;
    });
  }

  /** Whether the control plane holds that relay for online. */
  async stateOfRelay(relayId: string): Promise<string> {
    const answer = await this.call("GET", `/relays/${relayId}`);
    return z.looseObject({ state: z.string() }).parse(answer.json).state;
  }

  /** Enrols a relay with a join token, as an operator would. Gives its id. */
  async enrolRelay(relay: {
    readonly name: string;
    readonly tlsPort: number;
    readonly stateDir: string;
  }): Promise<string> {
    const answer = await this.call("POST", "/relays/join-tokens", {});
    if (answer.status !== 201) {
      throw new Error(`POST join-tokens answered ${answer.status}: ${answer.text}`);
    }
    const { token } = z.object({ token: z.string() }).parse(answer.json);
    const enrolled = await enrolRelay({
      controlUrl: this.url,
      joinToken: token,
      host: "127.0.0.1",
      ...relay,
    });
    if (!enrolled.ok) {
      throw new Error(`enrolment failed: ${enrolled.error}`);
    }
    return enrolled.value.relayId;
  }
}
