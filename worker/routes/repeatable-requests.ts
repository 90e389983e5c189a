/**
 * The header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a POST that carries one
 * is carried out once. Runs behind the check of the caller's permission, so that an answer is given
 * again only to whoever may still ask for it. What it means is decided in services/idempotency.ts.
 */
import type { Context, Next } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { logFailure } from "../log.ts";
import { invalidField } from "../services/field-failure.ts";
import {
  forgetRequest,
  judgeRepetition,
  keepAnswer,
  type KeptAnswer,
} from "../services/idempotency.ts";
import { ProblemError, valueOf } from "./problem.ts";
import type { UserRouteEnv } from "./route-env.ts";

/** Carries the request out, unless it is a repetition: then its answer is given again. */
export async function runOnce(
  context: Context<UserRouteEnv>,
  next: Next,
): Promise<Response | undefined> {
  const key = context.req.method === "POST" ? context.req.header(KEY_HEADER) : undefined;
  if (key === undefined) {
    await next();
    return undefined;
  }
  if (!KEY_PATTERN.test(key)) {
    throw new ProblemError(invalidField(KEY_HEADER, "must be 1 to 255 printable characters"));
  }
  const { services, user, requestId } = context.var;
  const { method, raw } = context.req;
  const { pathname, search } = new URL(raw.url);
  // A copy: what reads the body for the route must find it.
  const content = [method, pathname + search, await raw.clone().text()];
  const request = { caller: user.actorId, key, requestId, content };
  const judged = await judgeRepetition(services, request);
  if (!judged.ok && judged.error.code === "idempotency.in-progress") {
    context.header("Retry-After", RETRY_AFTER_S);
  }
  const verdict = valueOf(judged);
  if (verdict.kind === "repetition") {
    return replay(context, verdict.answer);
  }
  await next();
  try {
    await settle(context, verdict.holder);
  } catch (error) {
    // What was asked for is done, and answered. A repetition is judged by the audit trail then.
    logFailure("idempotency.not-kept", error, { requestId });
  }
  return undefined;
}

async function settle(
  context: Context<UserRouteEnv>,
  holder: Parameters<typeof keepAnswer>[1],
): Promise<void> {
  const { error, res } = context;
  const { services } = context.var;
  if (error === undefined && res.ok) {
    const contentType = res.headers.get("Content-Type");
    const body = await res.clone().text();
    await keepAnswer(services, holder, { status: res.status, contentType, body });
    return;
  }
  // Of any other error it is not known what it left behind: the key stays until the lease ends.
  const isRefusal = error instanceof ProblemError || error instanceof HTTPException;
  if (error === undefined || isRefusal) {
    await forgetRequest(services, holder);
  }
}

function replay(context: Context<UserRouteEnv>, answer: KeptAnswer): Response {
  const status = answer.status as ContentfulStatusCode;
  context.header("Idempotency-Replayed", "true");
  return answer.contentType === null
    ? context.body(null, status)
    : context.body(answer.body, status, { "Content-Type": answer.contentType });
}

const KEY_HEADER = "Idempotency-Key";
const KEY_PATTERN = /^[ -~]{1,255}$/;
const RETRY_AFTER_S = "1";
