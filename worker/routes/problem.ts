/**
 * Failures as HTTP answers: RFC 9457 problem details with a code of the catalogue. Routes throw a
 * {@link ProblemError} and the app's edge answers it, so that every failure looks alike. What is
 * answered comes from the catalogue and from details that services wrote for callers; an
 * exception's own text never reaches a caller.
 */
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { Result } from "#shared/base/result.ts";
import { type ErrorCode, errorRow } from "#shared/errors/catalogue.ts";
import type { FieldFailure } from "../services/field-failure.ts";
import { problems } from "../telemetry/measures.ts";
import type { RouteEnv } from "./route-env.ts";

/** Thrown by routes and middleware; answered by the app as problem details. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly failure: FieldFailure;

  constructor(failure: FieldFailure) {
    super(failure.code);
    this.failure = failure;
  }
}

/** The value of a service's result. @throws {ProblemError} the failure, for the app to answer. */
export function valueOf<Value>(result: Result<Value, FieldFailure>): Value {
  if (!result.ok) {
    throw new ProblemError(result.error);
  }
  return result.value;
}

/** @throws {ProblemError} always; `detail` is shown to the caller and holds no secret. */
export function refuse(code: ErrorCode, detail = ""): never {
  throw new ProblemError({ code, detail });
}

/** The answer for a failure. */
export function problemResponse<E extends RouteEnv>(
  context: Context<E>,
  failure: FieldFailure,
): Response {
  const row = errorRow(failure.code);
  const status = statusOf(failure.code);
  problems.add({ code: failure.code });
  const problem: z.infer<typeof problemSchema> = {
    type: `urn:kerbside:error:${failure.code}`,
    title: row.hint,
    status,
    code: failure.code,
    ...(failure.detail === "" ? {} : { detail: failure.detail }),
    retryable: row.retryable,
    requestId: context.var.requestId,
    ...(failure.fields === undefined ? {} : { fields: [...failure.fields] }),
  };
  // A failure is a 4xx or a 5xx, which all may have a body.
  return context.body(JSON.stringify(problem), status as ContentfulStatusCode, {
    "Content-Type": PROBLEM_TYPE,
    ...(status === 401 ? { "WWW-Authenticate": "Bearer" } : {}),
    ...(failure.retryAfterS === undefined ? {} : { "Retry-After": String(failure.retryAfterS) }),
  });
}

const problemSchema = z
  .object({
    type: z.string().openapi({ example: "urn:kerbside:error:resource.not-found" }),
    title: z.string().openapi({ description: "What to do about it." }),
    status: z.int(),
    code: z.string().openapi({ description: "Stable; programs decide by it." }),
    detail: z.string().optional(),
    retryable: z.boolean().openapi({ description: "Whether trying again unchanged can help." }),
    requestId: z.string(),
    fields: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
  })
  .openapi("Problem");

/**
 * A route's failures for the API description: one entry a status, naming its codes, and those of
 * every route; what middleware refuses is added by describe-api.ts. The type is empty on purpose:
 * handlers throw failures, so only successes are typed answers.
 */
export function problemResponses(...codes: readonly ErrorCode[]): object {
  const byStatus = Map.groupBy(new Set([...codes, ...EVERYWHERE]), statusOf);
  return Object.fromEntries(
    [...byStatus].map(([status, ofStatus]) => [
      status,
      { ...describeProblem(ofStatus), content: { [PROBLEM_TYPE]: { schema: problemSchema } } },
    ]),
  );
}

/** What the API description says of one status that means any of these codes. */
export function describeProblem(codes: readonly ErrorCode[]): {
  readonly description: string;
  readonly "x-codes": readonly ErrorCode[];
} {
  const sorted = codes.toSorted();
  const lines = sorted.map((code) => `\`${code}\`: ${errorRow(code).hint}`);
  return { description: lines.join("\n\n"), "x-codes": sorted };
}

/** A code that is no HTTP answer by itself is answered by its fault. */
export function statusOf(code: ErrorCode): number {
  const { httpStatus, fault } = errorRow(code);
  return httpStatus ?? (fault === "client" ? 400 : 503);
}

/**
 * Failures that belong to no operation: of addresses that are none, of headers that none takes, and
 * of the relays' socket, which OpenAPI does not describe.
 */
export const GENERAL_CODES = [
  "api.version-unknown",
  "control.keys-changed",
  "control.rush",
  "relay.deleted",
  "relay.disabled",
  "relay.unauthorized",
  "relay.version-unsupported",
  "request.precondition-failed",
  "request.url-too-long",
] as const satisfies readonly ErrorCode[];

/** Any route can meet a database that is away, and a bug of ours. */
const EVERYWHERE: readonly ErrorCode[] = ["database.unavailable", "internal.error"];
export const PROBLEM_TYPE = "application/problem+json";
