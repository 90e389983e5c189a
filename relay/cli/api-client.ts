/**
 * The control plane's API as the commands use it: logged in, each answer checked, each failure a
 * sentence with what to do.
 */
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import type { ArgumentsOf, OperationName } from "#shared/api/client.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { ERRORS } from "#shared/errors/catalogue.ts";
import { parseControlUrl } from "../control/control-url.ts";
import {
  type ApiFailure,
  type ApiRequest,
  readApi,
  requestApi,
  streamApi,
} from "../control/http-json.ts";
import { sayCommand } from "../program.ts";
import {
  type CliFailure,
  type CliTools,
  failed,
  misused,
  type OptionValues,
  textOption,
} from "./command.ts";
import { readLogin } from "./login-file.ts";
import { readPassword, readUsername } from "./password.ts";
import {
  createTypedApi,
  type ListName,
  type Page,
  type Reads,
  type ReadsItem,
  type TypedApi,
} from "./typed-api.ts";
import { type FeedItem, followFeed } from "./watch/follow-feed.ts";

/** Options of every command that talks to the control plane. */
export const API_OPTIONS = {
  url: { type: "string" },
  username: { type: "string" },
  "password-file": { type: "string" },
} as const;

export const API_OPTIONS_HELP = `  --url URL            the control plane; default: where you logged in (KERBSIDE_URL)
  --username NAME      log in for this call alone; the password comes from
  --password-file F    this file, else KERBSIDE_PASSWORD, the terminal or standard input
`;

export interface Login {
  readonly token: string;
  readonly expiresAt: string;
}

/** One logged-in use of the API. */
export interface ApiClient {
  readonly url: string;
  /** One call of an operation, such as `GET /api/v1/consoles/{id}`. */
  call<Name extends OperationName, Value>(
    name: Name,
    schema: Reads<Name, Value>,
    ...given: ArgumentsOf<Name>
  ): Promise<Result<Value, CliFailure>>;
  /**
   * Every item of a paged list, page after page, however many there are: a trail may be long. A page
   * may be short, or empty, with more to come. A failure is the last thing that comes.
   */
  pages<Name extends ListName, Item>(
    name: Name,
    item: ReadsItem<Name, Item>,
    ...given: ArgumentsOf<Name>
  ): AsyncGenerator<Result<readonly Item[], CliFailure>>;
  /** An answer of any length, handed on as it comes; what came before a failure is not all. */
  download(
    path: string,
    write: (chunk: Uint8Array) => Promise<void>,
  ): Promise<Result<null, CliFailure>>;
  /**
   * What a feed tells, from now on until the signal is aborted, over as many connections as that
   * takes. A failure is the last thing that comes.
   */
  follow(path: string, signal: AbortSignal): AsyncGenerator<Result<FeedItem, CliFailure>>;
  /** A console file from the address that a ticket names. */
  fetchFile(url: string): Promise<Result<string, CliFailure>>;
}

/** Asks for a token. */
export async function logIn(
  url: string,
  username: string,
  password: string,
): Promise<Result<Login, CliFailure>> {
  const api = createTypedApi(url, null);
  const body = { username, password };
  return toCli(await api.call("POST /api/v1/auth/login", loginSchema, { body }));
}

/** Ends a login at the control plane. */
export async function logOut(url: string, token: string): Promise<Result<null, CliFailure>> {
  return toCli(await createTypedApi(url, token).call("POST /api/v1/auth/logout", z.null()));
}

/** The control plane's address: --url, else KERBSIDE_URL, else where the user logged in. */
export async function chooseUrl(
  options: OptionValues,
  tools: CliTools,
): Promise<Result<string, CliFailure>> {
  const given = textOption(options, "url") ?? tools.environment.url;
  if (given !== null) {
    const url = parseControlUrl(given);
    return url.ok ? url : fail(misused(url.error.replace(/:$/, ".")));
  }
  const stored = await readLogin(tools.environment.loginFile);
  if (!stored.ok || stored.value === null) {
    return fail(misused("Say where the control plane is: --url URL."));
  }
  return ok(stored.value.url);
}

/**
 * Runs `use` with a client that is logged in: by the options for this call alone (and logged out
 * afterwards), else by the stored login.
 */
export async function withApi<Value>(
  options: OptionValues,
  tools: CliTools,
  use: (client: ApiClient) => Promise<Result<Value, CliFailure>>,
): Promise<Result<Value, CliFailure>> {
  const username = textOption(options, "username");
  const passwordFile = textOption(options, "password-file");
  if (username === null && passwordFile === null) {
    return withStoredLogin(options, tools, use);
  }
  const url = await chooseUrl(options, tools);
  if (!url.ok) {
    return url;
  }
  const login = await logInOnce(url.value, { username, passwordFile }, tools);
  if (!login.ok) {
    return login;
  }
  const result = await use(makeClient(url.value, login.value.token));
  // Best effort: a token that stays ends by itself, and what was asked for is done.
  await logOut(url.value, login.value.token);
  return result;
}

/** Reads name and password and logs in. */
export async function logInOnce(
  url: string,
  given: { readonly username: string | null; readonly passwordFile: string | null },
  tools: CliTools,
): Promise<Result<Login, CliFailure>> {
  if (isReadableOnTheWay(url)) {
    tools.note(`Warning: ${url} is not encrypted; others on the network can read the password.\n`);
  }
  const username = await readUsername(given.username);
  if (!username.ok) {
    return username;
  }
  const password = await readPassword(given.passwordFile, tools);
  return password.ok ? logIn(url, username.value, password.value) : password;
}

async function withStoredLogin<Value>(
  options: OptionValues,
  tools: CliTools,
  use: (client: ApiClient) => Promise<Result<Value, CliFailure>>,
): Promise<Result<Value, CliFailure>> {
  const stored = await readLogin(tools.environment.loginFile);
  if (!stored.ok) {
    return fail(failed(stored.error));
  }
  if (stored.value === null) {
    return fail(failed(`You are not logged in. Log in first: ${sayCommand("login")} --url URL.`));
  }
  const url = await chooseUrl(options, tools);
  if (!url.ok) {
    return url;
  }
  if (url.value !== stored.value.url) {
    // A token must never be shown to another server than the one that gave it.
    const sentence = `You are logged in at ${stored.value.url}, not at ${url.value}. Log in there first.`;
    return fail(failed(sentence));
  }
  return use(makeClient(url.value, stored.value.token));
}

function makeClient(url: string, token: string): ApiClient {
  const api = createTypedApi(url, token);
  return {
    url,
    call: async (name, schema, ...given) => toCli(await api.call(name, schema, ...given)),
    pages: (name, item, ...given) => readPages(api, name, item, given),
    download: async (path, write) =>
      toCli(await streamApi({ controlUrl: url, path, method: "GET", token }, write)),
    follow: (path, signal) => follow({ controlUrl: url, path, method: "GET", token, signal }),
    fetchFile: async (fileUrl) => {
      const whole = URL.canParse(fileUrl, `${url}/`) ? new URL(fileUrl, `${url}/`) : null;
      if (whole === null || !/^https?:$/.test(whole.protocol)) {
        return fail(failed("The control plane answered with an address that is none."));
      }
      // The address is itself the credential, so the login's token stays at home.
      const asked = { controlUrl: url, path: whole.href, method: "GET" } as const;
      const answer = toCli(await requestApi(asked));
      return answer.ok ? ok(answer.value.text) : answer;
    },
  };
}

async function* readPages<Name extends ListName, Item>(
  api: TypedApi,
  name: Name,
  item: ReadsItem<Name, Item>,
  given: ArgumentsOf<Name>,
): AsyncGenerator<Result<readonly Item[], CliFailure>> {
  let cursor: string | null = null;
  for (;;) {
    const answer: Result<Page<Item>, CliFailure> = toCli(
      await api.page(name, item, cursor, ...given),
    );
    if (!answer.ok) {
      yield answer;
      return;
    }
    yield ok(answer.value.items);
    const nextCursor: string | null = answer.value.nextCursor;
    if (nextCursor === null) {
      return;
    }
    if (nextCursor === cursor) {
      yield fail(failed("The control plane gives the same page again and again."));
      return;
    }
    cursor = nextCursor;
  }
}

async function* follow(
  asked: ApiRequest & { readonly signal: AbortSignal },
): AsyncGenerator<Result<FeedItem, CliFailure>> {
  const { signal } = asked;
  const feed = followFeed({
    connect: (lastEventId) => {
      const from = lastEventId === null ? {} : { "last-event-id": lastEventId };
      return readApi({ ...asked, headers: { accept: "text/event-stream", ...from } });
    },
    // An abort is what ends the wait early, and no failure.
    wait: async (ms) => await delay(ms, undefined, { signal }).catch(() => undefined),
    random: () => Math.random(),
    signal,
  });
  for await (const item of feed) {
    yield toCli(item);
  }
}

function toCli<Value>(result: Result<Value, ApiFailure>): Result<Value, CliFailure> {
  if (result.ok) {
    return result;
  }
  const { code, fields } = result.error;
  return fail(
    code === null
      ? failed(sayUnanswered(result.error))
      : {
          ...failed(reword(code, result.error)),
          code,
          ...(fields === undefined ? {} : { fields }),
        },
  );
}

/** What to say where the control plane's own words, which every client is given, say too little. */
function reword(code: string, { sentence, retryAfterS }: ApiFailure): string {
  const mark = / \([^()]*\)$/.exec(sentence)?.[0] ?? "";
  switch (code) {
    case "auth.required":
      return `${sentence} Log in again: ${sayCommand("login")}.`;
    case "auth.invalid-credentials":
      return `The user name or the password is wrong.${mark}`;
    case "request.rate-limited": {
      const when = retryAfterS === undefined ? "later" : `in ${retryAfterS} s`;
      return sentence.replace(ERRORS[code].hint, `Too many attempts. Try again ${when}.`);
    }
    case "console.no-relay":
      // The detail says why for each relay: the general sentence behind it says less.
      return sentence.replace(` ${ERRORS[code].hint}`, "");
    default:
      return sentence;
  }
}

/** TLS that meets a plain server gives OpenSSL's line, which says nothing to people. */
function sayUnanswered({ kind, sentence }: ApiFailure): string {
  const [, url] = TLS_MET_PLAIN.exec(sentence) ?? [];
  return kind === "unreachable" && url !== undefined
    ? `The control plane at https://${url} does not speak TLS: write http://${url}.`
    : sentence;
}

function isReadableOnTheWay(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === "http:" && !/^(localhost|127\.[0-9.]+|\[::1\])$/.test(hostname);
}

const loginSchema = z.object({ token: z.string().min(1), expiresAt: z.string() });
const TLS_MET_PLAIN = /^The control plane at https:\/\/(\S+) .*(?:wrong version|packet length)/s;
