/**
 * OpenStack's identity service as a place where passwords are checked: Identity API v3, password
 * method. The person's own token asks for the person's own groups, so no service account is
 * needed; it is revoked at once.
 */
import { z } from "zod";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { boundedText, type ExternalIdentity, groupNames } from "./external-identity.ts";
import type { KeystoneProvider } from "./provider-settings.ts";

export interface KeystoneFailure {
  readonly code: "auth.invalid-credentials" | "auth.provider-unavailable";
  /** For the log: which step and status. */
  readonly detail: string;
}

/** Who it is, or why not; wrong names and wrong passwords are one answer, as Keystone's is. */
export async function logInToKeystone(
  provider: KeystoneProvider,
  credentials: { readonly username: string; readonly password: string },
  fetcher: typeof fetch = fetch,
): Promise<Result<ExternalIdentity, KeystoneFailure>> {
  const issued = await issueToken(provider, credentials, fetcher);
  if (!issued.ok) {
    return issued;
  }
  const { token, user } = issued.value;
  const groups = await listGroups(provider, { token, userId: user.id }, fetcher);
  // Best effort: it ends by itself, and the person is known already.
  await ask(fetcher, `${provider.url}/auth/tokens`, {
    method: "DELETE",
    headers: { "X-Auth-Token": token, "X-Subject-Token": token },
  });
  return groups.ok
    ? ok({
        provider: provider.name,
        subject: user.id,
        username: user.name,
        displayName: null,
        email: null,
        groups: groups.value,
      })
    : groups;
}

interface IssuedToken {
  readonly token: string;
  readonly user: { readonly id: string; readonly name: string };
}

async function issueToken(
  provider: KeystoneProvider,
  credentials: { readonly username: string; readonly password: string },
  fetcher: typeof fetch,
): Promise<Result<IssuedToken, KeystoneFailure>> {
  const { userDomain, project, projectDomain } = provider;
  const { username, password } = credentials;
  const user = { name: username, domain: { name: userDomain }, password };
  const scope =
    project === undefined
      ? "unscoped"
      : { project: { name: project, domain: { name: projectDomain } } };
  const answer = await ask(fetcher, `${provider.url}/auth/tokens`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      auth: { identity: { methods: ["password"], password: { user } }, scope },
    }),
  });
  if (answer === null || (answer.status !== 201 && answer.status !== 401)) {
    return unavailable("token", answer?.status);
  }
  if (answer.status === 401) {
    return fail({ code: "auth.invalid-credentials", detail: "" });
  }
  const body = tokenSchema.safeParse(answer.json);
  const token = answer.headers.get("X-Subject-Token");
  if (!body.success || token === null) {
    return unavailable("token", answer.status);
  }
  const { id, name, domain } = body.data.token.user;
  // What the server says counts, and it must be of the domain that was asked for.
  if (domain.name !== userDomain) {
    return fail({ code: "auth.invalid-credentials", detail: "" });
  }
  return ok({ token, user: { id, name: boundedText(name) ?? id } });
}

async function listGroups(
  provider: KeystoneProvider,
  caller: { readonly token: string; readonly userId: string },
  fetcher: typeof fetch,
): Promise<Result<string[], KeystoneFailure>> {
  const address = `${provider.url}/users/${encodeURIComponent(caller.userId)}/groups`;
  const answer = await ask(fetcher, address, { headers: { "X-Auth-Token": caller.token } });
  const body = answer?.status === 200 ? groupsSchema.safeParse(answer.json) : null;
  return body?.success === true
    ? ok(groupNames(body.data.groups.map(({ name }) => name)))
    : unavailable("groups", answer?.status);
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly json: unknown;
}

/** Null: there was no answer in time. Redirects are not followed: a password goes to one server. */
async function ask(
  fetcher: typeof fetch,
  address: string,
  init: RequestInit,
): Promise<Answer | null> {
  try {
    const response = await fetcher(address, {
      ...init,
      redirect: "manual",
      signal: AbortSignal.timeout(ANSWER_DEADLINE_MS),
    });
    const text = (await response.text()).slice(0, ANSWER_CHARACTERS_MAX);
    return { status: response.status, headers: response.headers, json: parseJson(text) };
  } catch {
    return null;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function unavailable(step: string, status: number | undefined): Result<never, KeystoneFailure> {
  const detail = `${step}: ${status === undefined ? "no answer" : `status ${status}`}`;
  return fail({ code: "auth.provider-unavailable", detail });
}

const tokenSchema = z.object({
  token: z.object({
    user: z.object({
      id: z.string().min(1).max(255),
      name: z.string(),
      domain: z.object({ name: z.string() }),
    }),
  }),
});
const groupsSchema = z.object({ groups: z.array(z.object({ name: z.string() })) });

/** A person waits; Keystone's own hashing takes some 300 ms. */
const ANSWER_DEADLINE_MS = 5_000;
/** A scoped token's catalogue is some 20 KiB in a large cloud. */
const ANSWER_CHARACTERS_MAX = 1024 * 1024;
