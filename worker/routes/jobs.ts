/** What the control plane does by the clock, and having it done at once. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { listJobs, runJobNow } from "../jobs/clock.ts";
import { dueAtMs } from "../jobs/job-rules.ts";
import { type Job, JOBS } from "../jobs/jobs.ts";
import type { JobState } from "../jobs/job-clock.ts";
import { recordJobRequest } from "../services/job-requests.ts";
import { requirePermission } from "./caller.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { problemResponses, refuse } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";
import { json } from "./route-parts.ts";
import { formatOptionalTime, timeSchema } from "./times.ts";

/** Names of jobs are a few words. */
const NAME_CHARACTERS_MAX = 64;

const jobSchema = z
  .object({
    name: z.string(),
    summary: z.string().openapi({ description: "What it does." }),
    everySeconds: z.number(),
    running: z.boolean(),
    startedAt: timeSchema.nullable().openapi({ description: "Of the last run." }),
    durationMs: z.int().nullable().openapi({ description: "Of the last run, once it has ended." }),
    succeededAt: timeSchema.nullable().openapi({ description: "Of the last that did." }),
    error: z.string().nullable().openapi({ description: "Why the last run failed." }),
    nextAt: timeSchema.nullable().openapi({ description: "Null before its first run." }),
  })
  .openapi("Job");

const listRoute = createRoute({
  method: "get",
  path: "/jobs",
  summary: "List what is done by the clock, and how it went",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("metrics.read")] as const,
  responses: {
    200: json("All jobs.", z.object({ items: z.array(jobSchema) })),
    ...problemResponses(),
  },
});

const runRoute = createRoute({
  method: "post",
  path: "/jobs/{name}/run",
  summary: "Have a job run at once",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("jobs.run")] as const,
  request: { params: z.object({ name: z.string().max(NAME_CHARACTERS_MAX) }) },
  responses: {
    202: json("It runs, or will when those that run have ended.", jobSchema),
    ...problemResponses("resource.not-found"),
  },
});

export const jobRoutes = new OpenAPIHono<RouteEnv>()
  .openapi(listRoute, async (context) => {
    const states = await listJobs(context.env);
    return context.json({ items: JOBS.map((job) => formatJob(job, states)) }, 200);
  })
  .openapi(runRoute, async (context) => {
    const { services, user } = context.var;
    const { name } = context.req.valid("param");
    const job = JOBS.find((listed) => listed.name === name) ?? refuse("resource.not-found");
    await recordJobRequest(services, user, name);
    context.executionCtx.waitUntil(runJobNow(context.env, name));
    return context.json(formatJob(job, await listJobs(context.env)), 202);
  });

function formatJob(job: Job, states: readonly JobState[]): z.infer<typeof jobSchema> {
  const state = states.find(({ name }) => name === job.name);
  const run = state?.run ?? null;
  return {
    name: job.name,
    summary: job.summary ?? "",
    everySeconds: job.everyMs / 1000,
    running: state?.running ?? false,
    startedAt: formatOptionalTime(run?.startedAtMs ?? null),
    durationMs: run?.durationMs ?? null,
    succeededAt: formatOptionalTime(run?.succeededAtMs ?? null),
    error: run?.error ?? null,
    nextAt: formatOptionalTime(run === null ? null : dueAtMs(job, run)),
  };
}
