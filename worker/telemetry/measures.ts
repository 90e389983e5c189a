/** What this isolate counts. Every label's value is of a closed set: never an id, name or path. */
import { Counter, Histogram, type Metric } from "./metric.ts";

export const httpRequests = new Counter(
  "kerbside_http_requests_total",
  "Requests by method, route and status, as this isolate answered them.",
);

export const httpDurations = new Histogram(
  "kerbside_http_request_duration_seconds",
  "Time to the answer's head by method and route, in this isolate.",
);

export const problems = new Counter(
  "kerbside_problems_total",
  "Failures answered by this isolate, by their code.",
);

export const tickets = new Counter(
  "kerbside_tickets_total",
  "Requests for tickets at this isolate: issued, or the code that refused them.",
);

export const pushes = new Counter(
  "kerbside_relay_pushes_total",
  "Commands that this isolate gave to relays' hubs: acknowledged, or the code of the failure.",
);

export const databaseDurations = new Histogram(
  "kerbside_database_request_duration_seconds",
  "Round trips of this isolate to the database, by outcome.",
);

/** All of them, in the order in which they are printed. */
export const MEASURES: readonly Metric[] = [
  httpRequests,
  httpDurations,
  problems,
  tickets,
  pushes,
  databaseDurations,
];
