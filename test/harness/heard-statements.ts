/** Listens to what goes to the database over HTTP: every statement, and every request. */
import type { InValue } from "@libsql/client/web";

export interface HeardStatements extends Disposable {
  /** Each statement's text once, with the values that it came with first. */
  readonly statements: ReadonlyMap<string, InValue[]>;
  /** What carried them, in order. */
  readonly requests: readonly Request[];
}

/** Listens until it is disposed of. */
export function listenToDatabase(): HeardStatements {
  const statements = new Map<string, InValue[]>();
  const requests: Request[] = [];
  const whole = globalThis.fetch;
  globalThis.fetch = async (input, init) => {
    if (input instanceof Request && input.url.endsWith("/v2/pipeline")) {
      requests.push(input.clone());
      for (const { sql, args } of statementsOf(await input.clone().json())) {
        if (!statements.has(sql)) {
          statements.set(sql, args);
        }
      }
    }
    return await whole(input, init);
  };
  return {
    statements,
    requests,
    [Symbol.dispose]: () => {
      globalThis.fetch = whole;
    },
  };
}

interface Statement {
  readonly sql: string;
  readonly args: InValue[];
}

/** Every statement in a pipeline's requests, however deep; a text may be stored under a number. */
function statementsOf(pipeline: unknown): Statement[] {
  const objects = objectsIn(pipeline);
  const texts = objects.filter((object) => object["sql"] !== undefined);
  const stored = new Map(texts.map((object) => [object["sql_id"], object["sql"]]));
  return objects.flatMap((object) => {
    const sql = object["sql"] ?? stored.get(object["sql_id"]);
    return typeof sql === "string" && Array.isArray(object["args"])
      ? [{ sql, args: object["args"].map(argumentOf) }]
      : [];
  });
}

function objectsIn(value: unknown): Record<string, unknown>[] {
  if (typeof value !== "object" || value === null) {
    return [];
  }
  const own = Array.isArray(value) ? [] : [{ ...value }];
  return [...own, ...Object.values(value).flatMap(objectsIn)];
}

/** A value of the protocol; no statement of ours has a blob. */
function argumentOf(value: { readonly type: string; readonly value?: string | number }): InValue {
  if (value.type === "integer" || value.type === "float") {
    return Number(value.value);
  }
  return value.type === "text" ? String(value.value) : null;
}
