/**
 * The names of the control side's log lines, and the part of a logger that it uses. Tests and
 * operators refer to these names, never to prose. Fields hold no key, token, ticket or grant.
 */

/** A pino logger fits. */
export interface ControlLog {
  debug(fields: object, name: string): void;
  info(fields: object, name: string): void;
  warn(fields: object, name: string): void;
  error(fields: object, name: string): void;
}

export const CONTROL_LOG = {
  connecting: "control.connecting",
  linked: "control.linked",
  lost: "control.lost",
  refused: "control.refused",
  malformed: "control.malformed",
  clockSkew: "control.clock-skew",
  pushApplied: "control.push-applied",
  pushRefused: "control.push-refused",
  snapshotTooLarge: "control.snapshot-too-large",
  certificateRenewed: "certificate.renewed",
  certificateNotRenewed: "certificate.not-renewed",
  certificateReplaced: "certificate.replaced",
  certificateUnusable: "certificate.unusable",
  certificateRefused: "certificate.refused",
  certificateEndsSoon: "certificate.expires-soon",
  certificateEnded: "certificate.expired",
  keyOffered: "identity-key.offered",
  keyRotated: "identity-key.rotated",
  keyNotRotated: "identity-key.not-rotated",
  keyTried: "identity-key.other-tried",
  upkeepFailed: "upkeep.failed",
  spoolNew: "spool.new-stream",
  spoolTorn: "spool.torn-line-dropped",
  spoolCorrupt: "spool.corrupt",
  spoolDropped: "spool.events-dropped",
  spoolDrained: "spool.drained-after-drops",
  spoolEventInvalid: "spool.event-invalid",
  spoolDiskFailed: "spool.disk-failed",
  spoolDiskRecovered: "spool.disk-recovered",
} as const;

export type ControlLogName = (typeof CONTROL_LOG)[keyof typeof CONTROL_LOG];
