/**
 * Performs one request of a pipeline on its stream and makes its answer. Batches run in order; each
 * step's condition looks at the steps before it.
 */
import { unreachable } from "#shared/base/assert.ts";

import { bindArguments, encodedBytes, encodeValue, refuseNul } from "./hrana-value.ts";
import { CONDITION_DEPTH_MAX, RESPONSE_BYTES_MAX } from "./limits.ts";
import { SqlFailure } from "./sql-failure.ts";
import { parseSql } from "./sql-text.ts";

import type {
  HranaBatch,
  HranaBatchResult,
  HranaCondition,
  HranaDescription,
  HranaError,
  HranaRequest,
  HranaResponse,
  HranaStatement,
  HranaStatementResult,
  HranaValue,
} from "./hrana-protocol.ts";
import type { SqlValue } from "./hrana-value.ts";
import type { SqlStatement } from "./sql-text.ts";
import type { Stream } from "./stream.ts";

export interface RequestContext {
  readonly stream: Stream;
  readonly signal: AbortSignal;
  /** Shared by all requests of one pipeline, because they become one answer. */
  readonly budget: { responseBytesLeft: number };
}

/** A budget for one pipeline's rows. */
export function newResponseBudget(): RequestContext["budget"] {
  return { responseBytesLeft: RESPONSE_BYTES_MAX };
}

/** @throws {SqlFailure} when the request fails; the stream stays usable. */
export async function runRequest(
  context: RequestContext,
  request: Exclude<HranaRequest, { type: "close" }>,
): Promise<HranaResponse> {
  const { stream } = context;
  switch (request.type) {
    case "execute":
      return { type: "execute", result: await executeStatement(context, request.stmt) };
    case "batch":
      return { type: "batch", result: await runBatch(context, request.batch) };
    case "sequence":
      await runSequence(context, sqlOf(stream, request));
      return { type: "sequence" };
    case "describe":
      return { type: "describe", result: describe(stream, sqlOf(stream, request)) };
    case "store_sql":
      stream.storeSql(request.sql_id, request.sql);
      return { type: "store_sql" };
    case "close_sql":
      stream.forgetSql(request.sql_id);
      return { type: "close_sql" };
    case "get_autocommit":
      return { type: "get_autocommit", is_autocommit: stream.isAutocommit };
    default:
      return unreachable(request);
  }
}

async function executeStatement(
  context: RequestContext,
  given: HranaStatement,
): Promise<HranaStatementResult> {
  const { stream, signal, budget } = context;
  const statement = onlyStatement(sqlOf(stream, given));
  const rows: HranaValue[][] = [];
  const onRow = (row: readonly SqlValue[]): void => {
    if (given.want_rows !== false) {
      rows.push(encodeRow(row, budget));
    }
  };
  const values = bindArguments(statement, given);
  const outcome = await stream.run({ statement, values, onRow, signal });
  const rowid = outcome.lastInsertRowid;
  return {
    cols: outcome.columns,
    rows,
    affected_row_count: outcome.affectedRowCount,
    last_insert_rowid: rowid === null ? null : String(rowid),
  };
}

async function runBatch(context: RequestContext, batch: HranaBatch): Promise<HranaBatchResult> {
  const results: (HranaStatementResult | null)[] = [];
  const errors: (HranaError | null)[] = [];
  for (const { condition, stmt } of batch.steps) {
    let result: HranaStatementResult | null = null;
    let error: HranaError | null = null;
    if (isMet(condition ?? null, { results, errors, stream: context.stream }, 0)) {
      try {
        result = await executeStatement(context, stmt);
      } catch (thrown) {
        error = hranaErrorFrom(thrown);
      }
    }
    results.push(result);
    errors.push(error);
  }
  return { step_results: results, step_errors: errors };
}

/** Statements one after the other up to the first that fails; their rows are dropped. */
async function runSequence(context: RequestContext, sql: string): Promise<void> {
  refuseNul(sql, "SQL_PARSE_ERROR");
  for (const statement of parseSql(sql)) {
    const { stream, signal } = context;
    await stream.run({ statement, values: [], onRow: () => undefined, signal });
  }
}

function describe(stream: Stream, sql: string): HranaDescription {
  const statement = onlyStatement(sql);
  return {
    params: statement.parameters.map((name) => ({ name })),
    cols: stream.describe(statement),
    is_explain: statement.firstWord === "EXPLAIN",
    is_readonly: !statement.mayWrite,
  };
}

/** The failure as the protocol shows it. @throws what is not a SqlFailure: a bug of ours. */
export function hranaErrorFrom(error: unknown): HranaError {
  if (error instanceof SqlFailure) {
    return { message: error.message, code: error.code };
  }
  throw error;
}

interface StepsSoFar {
  readonly results: readonly (HranaStatementResult | null)[];
  readonly errors: readonly (HranaError | null)[];
  readonly stream: Stream;
}

function isMet(condition: HranaCondition | null, steps: StepsSoFar, depth: number): boolean {
  if (condition === null) {
    return true;
  }
  if (depth > CONDITION_DEPTH_MAX) {
    throw new SqlFailure("BATCH_COND_INVALID", "a condition is nested too deeply");
  }
  const judge = (inner: HranaCondition): boolean => isMet(inner, steps, depth + 1);
  switch (condition.type) {
    case "ok":
      return outcomeAt(steps.results, condition.step) !== null;
    case "error":
      return outcomeAt(steps.errors, condition.step) !== null;
    case "not":
      return !judge(condition.cond);
    case "and":
      return condition.conds.every(judge);
    case "or":
      return condition.conds.some(judge);
    case "is_autocommit":
      return steps.stream.isAutocommit;
    default:
      return unreachable(condition);
  }
}

function outcomeAt<Outcome>(outcomes: readonly Outcome[], step: number): Outcome {
  const outcome = outcomes[step];
  if (outcome === undefined) {
    throw new SqlFailure("BATCH_COND_INVALID", `a condition names step ${step}, which is not past`);
  }
  return outcome;
}

function sqlOf(
  stream: Stream,
  given: { readonly sql?: string | null | undefined; readonly sql_id?: number | null | undefined },
): string {
  const stored = typeof given.sql_id === "number" ? stream.storedSql(given.sql_id) : undefined;
  const sql = given.sql ?? stored;
  if (sql === undefined) {
    throw new SqlFailure("SQL_NOT_FOUND", "the statement has no text, and none is stored for it");
  }
  return sql;
}

/** Why: the engine would run the first of several statements and drop the others silently. */
function onlyStatement(sql: string): SqlStatement {
  refuseNul(sql, "SQL_PARSE_ERROR");
  const [statement, second] = parseSql(sql);
  if (statement === undefined) {
    throw new SqlFailure("SQL_NO_STATEMENT", "the text holds no statement");
  }
  if (second !== undefined) {
    throw new SqlFailure("SQL_MANY_STATEMENTS", "the text holds more than one statement");
  }
  return statement;
}

function encodeRow(row: readonly SqlValue[], budget: RequestContext["budget"]): HranaValue[] {
  const encoded = row.map(encodeValue);
  for (const value of encoded) {
    budget.responseBytesLeft -= encodedBytes(value);
  }
  if (budget.responseBytesLeft < 0) {
    throw new SqlFailure("RESPONSE_TOO_LARGE", "the rows do not fit into one answer: page them");
  }
  return encoded;
}
