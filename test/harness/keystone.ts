/** A real Keystone with people and groups of a test's own. Ends with `await using`. */
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { type RunningChild, startChild } from "./child-process.ts";

export interface TestKeystone extends AsyncDisposable {
  /** The Identity API, with its version: `http://127.0.0.1:1234/v3`. */
  readonly url: string;
  /** Makes a person of the default domain, in these groups, which are made as needed. */
  makeUser(user: {
    readonly name: string;
    readonly password: string;
    readonly groups?: readonly string[];
    /** Whether they have a role on the project `admin`. */
    readonly inProject?: boolean;
  }): Promise<{ readonly id: string }>;
  /** Disables or deletes a person, or takes them out of a group. */
  changeUser(id: string, change: "disable" | "delete"): Promise<void>;
  leaveGroup(userId: string, group: string): Promise<void>;
}

/** @param tls with it the API is served by https. @param fetcher how to reach it then. */
export async function startKeystone(options: {
  readonly folder: string;
  readonly tls?: { readonly certificateFile: string; readonly keyFile: string };
  readonly fetcher?: typeof fetch;
}): Promise<TestKeystone> {
  const { folder, tls, fetcher = fetch } = options;
  const files = tls === undefined ? [] : [tls.certificateFile, tls.keyFile];
  const child = startChild({
    command: "/usr/bin/python3",
    args: [fileURLToPath(new URL("keystone-server.py", import.meta.url)), folder, ...files],
  });
  try {
    const [url] = await child.waitForOutput("stdout", /https?:\S+/, START_DEADLINE_MS);
    return await KeystoneAdmin.open(child, { url, fetcher });
  } catch (error) {
    await child.stop();
    throw error;
  }
}

class KeystoneAdmin implements TestKeystone {
  readonly url: string;
  readonly #child: RunningChild;
  readonly #fetch: typeof fetch;
  readonly #groups = new Map<string, string>();
  #token = "";

  private constructor(child: RunningChild, at: { url: string; fetcher: typeof fetch }) {
    this.#child = child;
    this.url = at.url;
    this.#fetch = at.fetcher;
  }

  static async open(
    child: RunningChild,
    at: { readonly url: string; readonly fetcher: typeof fetch },
  ): Promise<KeystoneAdmin> {
    const admin = new KeystoneAdmin(child, at);
    const domain = { name: "Default" };
    const user = { name: "admin", domain, password: "admin-password" };
    const identity = { methods: ["password"], password: { user } };
    const auth = { identity, scope: { project: { name: "admin", domain } } };
    const { headers } = await admin.#ask("POST", "/auth/tokens", { auth });
    admin.#token = headers.get("X-Subject-Token") ?? "";
    return admin;
  }

  async makeUser(user: Parameters<TestKeystone["makeUser"]>[0]): Promise<{ readonly id: string }> {
    const { name, password, groups = [], inProject = false } = user;
    const made = await this.#ask("POST", "/users", {
      user: { name, password, domain_id: "default" },
    });
    const { id } = userSchema.parse(made.json).user;
    for (const group of groups) {
      await this.#ask("PUT", `/groups/${await this.#groupId(group)}/users/${id}`);
    }
    if (inProject) {
      const [project] =
        namedSchema.parse((await this.#ask("GET", "/projects?name=admin")).json).projects ?? [];
      const [role] =
        namedSchema.parse((await this.#ask("GET", "/roles?name=reader")).json).roles ?? [];
      await this.#ask("PUT", `/projects/${project?.id}/users/${id}/roles/${role?.id}`);
    }
    return { id };
  }

  async changeUser(id: string, change: "disable" | "delete"): Promise<void> {
    await (change === "delete"
      ? this.#ask("DELETE", `/users/${id}`)
      : this.#ask("PATCH", `/users/${id}`, { user: { enabled: false } }));
  }

  async leaveGroup(userId: string, group: string): Promise<void> {
    await this.#ask("DELETE", `/groups/${await this.#groupId(group)}/users/${userId}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stop();
  }

  async #groupId(name: string): Promise<string> {
    const known = this.#groups.get(name);
    if (known !== undefined) {
      return known;
    }
    const made = await this.#ask("POST", "/groups", {
      group: { name, description: name, domain_id: "default" },
    });
    const { id } = groupSchema.parse(made.json).group;
    this.#groups.set(name, id);
    return id;
  }

  async #ask(
    method: string,
    path: string,
    body?: object,
  ): Promise<{ readonly headers: Headers; readonly json: unknown }> {
    const response = await this.#fetch(this.url + path, {
      method,
      headers: { "Content-Type": "application/json", "X-Auth-Token": this.#token },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) {
      const said = this.#child.output("stderr").slice(-2_000);
      throw new Error(`Keystone answered ${response.status} to ${method} ${path}: ${text}${said}`);
    }
    return { headers: response.headers, json: text === "" ? null : JSON.parse(text) };
  }
}

const userSchema = z.object({ user: z.object({ id: z.string() }) });
const groupSchema = z.object({ group: z.object({ id: z.string() }) });
const rows = z.array(z.object({ id: z.string() })).optional();
const namedSchema = z.object({ projects: rows, roles: rows });

/** Keystone makes its database with forty migrations, in an interpreter that starts slowly. */
const START_DEADLINE_MS = 90_000;
