/**
 * The relay's log: JSON lines to a stream that is passed in. One line for each finished unit of
 * work. No secret, keystroke or frame at any level: nothing may log one, and the redaction below
 * covers the slips.
 */
import { type DestinationStream, type Logger, pino } from "pino";

export type Log = Logger;

/** What writes one line; a {@link Log} fits, and so does a worker's way to its control process. */
export interface LineLog {
  debug(fields: object, name: string): void;
  info(fields: object, name: string): void;
  warn(fields: object, name: string): void;
  error(fields: object, name: string): void;
}

/** The names of canonical lines, so that tests and searches refer to the constant. */
export const LOG_LINES = {
  relayListening: "relay.listening",
  relayStopped: "relay.stopped",
  connectionRefused: "connection.refused",
  ticketRefused: "ticket.refused",
  channelRefused: "channel.refused",
  channelEnded: "channel.ended",
  channelFirewall: "channel.firewall",
  sessionEnded: "session.ended",
  relayFault: "relay.fault",
  relayDraining: "relay.draining",
  relayResumed: "relay.resumed",
  relayDrained: "relay.drained",
  acceptFailed: "accept.failed",
  workerStarted: "worker.started",
  workerLost: "worker.lost",
} as const;

export interface LogOptions {
  readonly level: "debug" | "info" | "warn" | "error" | "silent";
  /** Usually the process's standard output. */
  readonly stream: DestinationStream;
}

/** A log that redacts by key name, wherever in an entry's first two levels the key stands. */
export function createLog(options: LogOptions): Log {
  const paths = SECRET_KEYS.flatMap((key) => [key, `*.${key}`]);
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths, censor: "[redacted]" },
    },
    options.stream,
  );
}

const SECRET_KEYS = [
  "password",
  "sealedPassword",
  "ticket",
  "grant",
  "token",
  "secret",
  "key",
  "sealKey",
  "ticketKeys",
  "privateKey",
  "authorization",
];
