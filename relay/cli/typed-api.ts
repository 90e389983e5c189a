/**
 * The API as this program calls it: typed by its description, and checked at run time in what a
 * command reads of an answer, because the control plane may be of another version. Fields that no
 * command reads are let through unread.
 */
import { z } from "zod";
import {
  type AnswerOf,
  type ArgumentsOf,
  createApiClient,
  type OperationName,
} from "#shared/api/client.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { type ApiFailure, type ApiRequest, malformed, requestApi } from "../control/http-json.ts";

/** A schema of what a command reads of an answer: it must accept all that the API promises. */
export type Reads<Name extends OperationName, Value> = z.ZodType<Value> &
  (AnswerOf<Name> extends DeepReadonly<Value> ? unknown : { readonly promised: AnswerOf<Name> });

/** An operation that answers pages. */
export type ListName = {
  [Name in OperationName]: AnswerOf<Name> extends Page<unknown> ? Name : never;
}[OperationName];

/** A schema of what a command reads of an item. */
export type ReadsItem<Name extends ListName, Item> = z.ZodType<Item> &
  (AnswerOf<Name> extends Page<DeepReadonly<Item>>
    ? unknown
    : { readonly promised: AnswerOf<Name> });

export interface TypedApi {
  call<Name extends OperationName, Value>(
    name: Name,
    schema: Reads<Name, Value>,
    ...given: ArgumentsOf<Name>
  ): Promise<Result<Value, ApiFailure>>;
  /** One page; a null cursor is the first. */
  page<Name extends ListName, Item>(
    name: Name,
    item: ReadsItem<Name, Item>,
    cursor: string | null,
    ...given: ArgumentsOf<Name>
  ): Promise<Result<Page<Item>, ApiFailure>>;
}

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}

/** @param token null: calls that need no login. */
export function createTypedApi(controlUrl: string, token: string | null): TypedApi {
  const api = createApiClient<ApiFailure>(async ({ method, body, ...request }) => {
    const asked: ApiRequest = {
      ...request,
      controlUrl,
      method: method as ApiRequest["method"],
      ...(token === null ? {} : { token }),
      ...(body === undefined ? {} : { body: body as object }),
    };
    const answer = await requestApi(asked);
    return answer.ok ? parseJson(asked, answer.value) : answer;
  });
  return {
    call: async (name, schema, ...given) =>
      read(await api.call(name, ...given), { controlUrl, name }, schema),
    page: async <Name extends ListName, Item>(
      name: Name,
      item: ReadsItem<Name, Item>,
      cursor: string | null,
      ...[given]: ArgumentsOf<Name>
    ) => {
      const query = { ...given?.query, ...(cursor === null ? {} : { cursor }) };
      const paged = [{ ...given, query }] as unknown as ArgumentsOf<Name>;
      const schema: z.ZodType<Page<Item>> = z.object({
        items: z.array(item as z.ZodType<Item>),
        nextCursor: z.string().nullable(),
      });
      return read(await api.call(name, ...paged), { controlUrl, name }, schema);
    },
  };
}

function read<Value>(
  answer: Result<unknown, ApiFailure>,
  asked: { readonly controlUrl: string; readonly name: string },
  schema: z.ZodType<Value>,
): Result<Value, ApiFailure> {
  if (!answer.ok) {
    return answer;
  }
  const parsed = schema.safeParse(answer.value);
  return parsed.success ? ok(parsed.data) : fail(strange(asked, parsed.error));
}

function parseJson(
  asked: ApiRequest,
  { status, text }: { readonly status: number; readonly text: string },
): Result<unknown, ApiFailure> {
  try {
    return ok(text === "" ? null : JSON.parse(text));
  } catch {
    return fail(malformed(asked, status, "answered with something unexpected"));
  }
}

/** JSON that is not what the description promises, so most likely another version's. */
function strange(
  { controlUrl, name }: { readonly controlUrl: string; readonly name: string },
  error: z.ZodError,
): ApiFailure {
  const place = error.issues[0]?.path.map(String).join(".") ?? "";
  const where = place === "" ? "" : ` (${place})`;
  const sentence =
    `The control plane at ${controlUrl} answered ${name} with something that this command does ` +
    `not know${where}: are they of different versions?`;
  return { kind: "malformed", status: null, code: null, sentence };
}

type DeepReadonly<Value> = Value extends readonly (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : Value extends object
    ? { readonly [Key in keyof Value]: DeepReadonly<Value[Key]> }
    : Value;
