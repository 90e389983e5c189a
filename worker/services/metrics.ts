/** The control plane's metrics: what this isolate counted, and what the database says of all. */
import { countLivingSessions, countRelays, type StateCount } from "../repositories/metrics.ts";
import { MEASURES } from "../telemetry/measures.ts";
import { gauge, type Metric } from "../telemetry/metric.ts";
import type { ServiceContext } from "./context.ts";

/** When a job was done last; null when never. */
export interface JobSuccess {
  readonly name: string;
  readonly succeededAtMs: number | null;
}

/** Without the database what it would tell is left out, and `kerbside_database_up` is 0. */
export async function readMetrics(
  context: ServiceContext,
  jobs: readonly JobSuccess[],
): Promise<readonly Metric[]> {
  const known = await readGauges(context).catch(() => null);
  const up = gauge("kerbside_database_up", "Whether the database answered this scrape.", [
    { labels: {}, value: known === null ? 0 : 1 },
  ]);
  const done = gauge(
    "kerbside_job_last_success_timestamp_seconds",
    "When each job was done last; 0 when never.",
    jobs.map(({ name, succeededAtMs }) => ({
      labels: { job: name },
      value: (succeededAtMs ?? 0) / 1000,
    })),
  );
  return [up, ...(known ?? []), done, ...MEASURES];
}

async function readGauges({ database }: ServiceContext): Promise<Metric[]> {
  const [relays, sessions] = await Promise.all([
    countRelays(database),
    countLivingSessions(database),
  ]);
  return [
    byState("kerbside_relays", "Relays by state.", ["online", "draining", "offline"], relays),
    byState("kerbside_sessions", "Sessions by state.", ["pending", "active"], sessions),
  ];
}

/** States without a row are told as zero, so that a graph does not break off. */
function byState(
  name: string,
  help: string,
  states: readonly string[],
  counts: readonly StateCount[],
): Metric {
  const found = new Map(counts.map(({ state, count }) => [state, count]));
  const values = [...new Set([...states, ...found.keys()])].map((state) => ({
    labels: { state },
    value: found.get(state) ?? 0,
  }));
  return gauge(name, help, values);
}
