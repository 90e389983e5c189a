/**
 * The messages of the libSQL HTTP protocol (Hrana 2 over `POST /v2/pipeline`, JSON): the schemas
 * that requests are checked with, and the types of the answers. No behaviour.
 *
 * Source: the libSQL project's HTTP_V2_SPEC and HRANA_2_SPEC; the conditions `is_autocommit` and
 * the request `get_autocommit` are Hrana 3's and cost nothing to serve.
 */
import { z } from "zod";

import { BATCH_STEP_COUNT_MAX, PIPELINE_REQUEST_COUNT_MAX } from "./limits.ts";

/** A value on the wire. Integers travel as text, because JSON's numbers lose 64-bit ones. */
export type HranaValue = z.infer<typeof hranaValueSchema>;
export type HranaStatement = z.infer<typeof statementSchema>;
export type HranaBatch = z.infer<typeof batchSchema>;
export type HranaRequest = z.infer<typeof requestSchema>;

/** When a step of a batch runs; steps are named by their index. */
export type HranaCondition =
  | { readonly type: "ok" | "error"; readonly step: number }
  | { readonly type: "not"; readonly cond: HranaCondition }
  | { readonly type: "and" | "or"; readonly conds: readonly HranaCondition[] }
  | { readonly type: "is_autocommit" };

export interface HranaError {
  readonly message: string;
  readonly code: string;
}

export interface HranaColumn {
  readonly name: string;
  readonly decltype: string | null;
}

export interface HranaStatementResult {
  readonly cols: readonly HranaColumn[];
  readonly rows: readonly (readonly HranaValue[])[];
  readonly affected_row_count: number;
  readonly last_insert_rowid: string | null;
}

export interface HranaBatchResult {
  readonly step_results: readonly (HranaStatementResult | null)[];
  readonly step_errors: readonly (HranaError | null)[];
}

export interface HranaDescription {
  readonly params: readonly { readonly name: string | null }[];
  readonly cols: readonly HranaColumn[];
  readonly is_explain: boolean;
  readonly is_readonly: boolean;
}

export type HranaResponse =
  | { readonly type: "execute"; readonly result: HranaStatementResult }
  | { readonly type: "batch"; readonly result: HranaBatchResult }
  | { readonly type: "describe"; readonly result: HranaDescription }
  | { readonly type: "get_autocommit"; readonly is_autocommit: boolean }
  | { readonly type: "sequence" | "store_sql" | "close_sql" | "close" };

export type HranaResult =
  | { readonly type: "ok"; readonly response: HranaResponse }
  | { readonly type: "error"; readonly error: HranaError };

export interface PipelineResponse {
  /** Names the stream for the next request; null when it is closed. Each baton is good once. */
  readonly baton: string | null;
  readonly base_url: null;
  readonly results: readonly HranaResult[];
}

const hranaValueSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("null") }),
  z.object({ type: z.literal("integer"), value: z.string().regex(/^-?\d{1,19}$/) }),
  z.object({ type: z.literal("float"), value: z.number() }),
  z.object({ type: z.literal("text"), value: z.string() }),
  z.object({ type: z.literal("blob"), base64: z.string() }),
]);

const sqlIdSchema = z.number().int();
const sqlOrIdSchema = { sql: z.string().nullish(), sql_id: sqlIdSchema.nullish() };
const stepIndexSchema = z.number().int().nonnegative();

const statementSchema = z.object({
  ...sqlOrIdSchema,
  args: z.array(hranaValueSchema).default([]),
  named_args: z.array(z.object({ name: z.string(), value: hranaValueSchema })).default([]),
  want_rows: z.boolean().nullish(),
});

const conditionSchema: z.ZodType<HranaCondition> = z.lazy(() =>
  z.discriminatedUnion("type", [
    z.object({ type: z.literal(["ok", "error"]), step: stepIndexSchema }),
    z.object({ type: z.literal("not"), cond: conditionSchema }),
    z.object({ type: z.literal(["and", "or"]), conds: z.array(conditionSchema) }),
    z.object({ type: z.literal("is_autocommit") }),
  ]),
);

const stepSchema = z.object({ condition: conditionSchema.nullish(), stmt: statementSchema });
const batchSchema = z.object({ steps: z.array(stepSchema).max(BATCH_STEP_COUNT_MAX) });

const requestSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("execute"), stmt: statementSchema }),
  z.object({ type: z.literal("batch"), batch: batchSchema }),
  z.object({ type: z.literal("sequence"), ...sqlOrIdSchema }),
  z.object({ type: z.literal("describe"), ...sqlOrIdSchema }),
  z.object({ type: z.literal("store_sql"), sql_id: sqlIdSchema, sql: z.string() }),
  z.object({ type: z.literal("close_sql"), sql_id: sqlIdSchema }),
  z.object({ type: z.literal("get_autocommit") }),
  z.object({ type: z.literal("close") }),
]);

/** The body of `POST /v2/pipeline`. Unknown fields are dropped, as the protocol asks for. */
export const pipelineRequestSchema = z.object({
  baton: z.string().nullish(),
  requests: z.array(requestSchema).max(PIPELINE_REQUEST_COUNT_MAX),
});
