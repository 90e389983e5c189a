/** The few calls that `npm start` makes as the admin, over HTTP like everybody else. */
import { z } from "zod";

export class AdminApi {
  readonly #url: string;
  readonly #token: string;

  private constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  /** Logs in; null when the password is wrong. @throws {Error} with any other answer. */
  static async login(url: string, username: string, password: string): Promise<AdminApi | null> {
    const answer = await request(`${url}/api/v1/auth/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ username, password }),
    });
    return answer === null
      ? null
      : new AdminApi(url, z.object({ token: z.string() }).parse(answer).token);
  }

  async createJoinToken(): Promise<string> {
    const answer = await this.#call("POST", "/relays/join-tokens", {});
    return z.object({ token: z.string() }).parse(answer).token;
  }

  async createConsole(console: DemoConsole): Promise<string> {
    const answer = await this.#call("POST", "/consoles", { ...console });
    return z.object({ id: z.string() }).parse(answer).id;
  }

  /** False when there is no such console any more. */
  async updateConsole(id: string, console: DemoConsole): Promise<boolean> {
    const answer = await this.#call("PATCH", `/consoles/${id}`, { ...console });
    return answer !== null;
  }

  async #call(method: string, path: string, body: object): Promise<unknown> {
    return await request(`${this.#url}/api/v1${path}`, {
      method,
      headers: { "content-type": "application/json", authorization: `Bearer ${this.#token}` },
      body: JSON.stringify(body),
    });
  }
}

export interface DemoConsole {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly password: string;
}

/** The answer's JSON; null for "not found", and for a login that was refused. */
async function request(url: string, init: RequestInit): Promise<unknown> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(CALL_DEADLINE_MS) });
  if (response.status === 404 || response.status === 401) {
    return null;
  }
  const text = await response.text();
  if (!response.ok) {
    throw new Error(`${init.method} ${url} answered ${response.status}: ${text.slice(0, 500)}`);
  }
  return JSON.parse(text);
}

const CALL_DEADLINE_MS = 10_000;
