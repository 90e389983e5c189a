/**
 * The API as its clients call it: by method and path, with arguments and answers typed by the
 * description (operations.ts). Sends nothing itself: how a request travels, and what a failure is,
 * belongs to the client that gives `send`.
 */
import type { Result } from "#shared/base/result.ts";
import type { Operations } from "./operations.ts";

/** Such as `GET /api/v1/consoles/{id}`. */
export type OperationName = keyof Operations;

/** What the operation answers when it succeeds; null where it has no body. */
export type AnswerOf<Name extends OperationName> = Operations[Name]["answer"];

/** What a call is given besides its name; nothing where nothing is required. */
export type ArgumentsOf<Name extends OperationName> =
  Partial<Omit<Operations[Name], "answer">> extends Omit<Operations[Name], "answer">
    ? readonly [given?: Omit<Operations[Name], "answer">]
    : readonly [given: Omit<Operations[Name], "answer">];

/** A request that is ready to be sent. */
export interface ApiRequest {
  readonly method: string;
  /** From the slash on, with its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** To be sent as JSON; undefined: none. */
  readonly body: unknown;
}

/** The answer's JSON, null for none; any status but 2xx is a failure. */
export type SendRequest<Failure> = (request: ApiRequest) => Promise<Result<unknown, Failure>>;

export interface ApiClient<Failure> {
  /**
   * Calls an operation. The answer's type is what the description promises: who depends on a
   * control plane of another version checks it.
   */
  call<Name extends OperationName>(
    name: Name,
    ...given: ArgumentsOf<Name>
  ): Promise<Result<AnswerOf<Name>, Failure>>;
}

export function createApiClient<Failure>(send: SendRequest<Failure>): ApiClient<Failure> {
  return {
    call: async <Name extends OperationName>(name: Name, ...[given]: ArgumentsOf<Name>) => {
      const answer = await send(writeRequest(name, given ?? {}));
      return answer as Result<AnswerOf<Name>, Failure>;
    },
  };
}

/** The call as a request. */
export function writeRequest(name: OperationName, parts: CallParts): ApiRequest {
  const [method = "", template = ""] = name.split(" ");
  const { params = {}, query = {}, headers = {}, body } = parts;
  const path = template.replaceAll(/\{([^}]+)\}/g, (_whole, key: string) =>
    encodeURIComponent(String(params[key])),
  );
  const pairs = Object.entries(query)
    .filter(([, value]) => value !== undefined)
    .flatMap(([key, value]) =>
      [value].flat().map((one) => `${key}=${encodeURIComponent(String(one))}`),
    );
  const given = Object.entries(headers).filter(
    (header): header is [string, string] => header[1] !== undefined,
  );
  return {
    method,
    path: pairs.length === 0 ? path : `${path}?${pairs.join("&")}`,
    headers: Object.fromEntries(given),
    body,
  };
}

/** The arguments of any operation. */
interface CallParts {
  readonly params?: Readonly<Record<string, unknown>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
}
