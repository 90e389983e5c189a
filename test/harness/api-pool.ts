/** Many calls of the API at once over connections that stay open, as a busy client makes them. */
import { Pool } from "undici";
import { z } from "zod";

export interface PoolCall {
  readonly method: "GET" | "POST" | "DELETE";
  /** Below the API's path. */
  readonly path: string;
  /** The bearer token; absent: nobody's. */
  readonly token?: string;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface PoolAnswer {
  readonly status: number;
  /** Null when there is no body. */
  readonly json: unknown;
  /** The code of a problem; null when it is none. */
  readonly code: string | null;
}

export class ApiPool implements AsyncDisposable {
  readonly #pool: Pool;

  constructor(url: string, connections: number) {
    this.#pool = new Pool(url, { connections, pipelining: 1 });
  }

  /** @throws Error when there is no answer */
  async call({ method, path, token, body, headers = {} }: PoolCall): Promise<PoolAnswer> {
    const answer = await this.#pool.request({
      method,
      path: `/api/v1${path}`,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      headersTimeout: ANSWER_DEADLINE_MS,
    });
    const text = await answer.body.text();
    const json: unknown = text === "" ? null : JSON.parse(text);
    const problem = problemSchema.safeParse(json);
    return {
      status: answer.statusCode,
      json,
      code: problem.success ? problem.data.code : null,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.destroy();
  }
}

/** So many callers make the calls, each its next one when its last was answered. */
export async function inTurns(
  callers: number,
  count: number,
  call: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const caller = async (): Promise<void> => {
    for (let index = next; index < count; index = next) {
      next += 1;
      await call(index);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
}

const problemSchema = z.looseObject({ code: z.string() });
/** The API answers within its own deadlines, of which the longest chain is shorter. */
const ANSWER_DEADLINE_MS = 30_000;
