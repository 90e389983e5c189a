/**
 * Why the hub closes a relay's socket: the WebSocket close code, and the catalogue code that it
 * sends as the close reason. Both sides log the pair. 4000-4999 are free for applications
 * (RFC 6455, section 7.4.2).
 */
import type { ErrorCode } from "#shared/errors/catalogue.ts";

export interface ControlClose {
  readonly closeCode: number;
  readonly reason: ErrorCode;
}

export const CONTROL_CLOSE = {
  /** Another connection of the same relay took over: the newest wins. */
  replaced: { closeCode: 4000, reason: "control.replaced" },
  /** A message that the contract does not allow, or not now. */
  malformed: { closeCode: 4001, reason: "control.malformed" },
  /** The version ranges do not meet; a `refuse` message went before. */
  version: { closeCode: 4002, reason: "relay.version-unsupported" },
  /** No heartbeat within the lease, or no hello in time. */
  silent: { closeCode: 4003, reason: "control.silent" },
  /** The relay's keys have changed and its version can learn them from a welcome only. */
  keysChanged: { closeCode: 4010, reason: "control.keys-changed" },
  /** An administrator has disabled it. */
  disabled: { closeCode: 4004, reason: "relay.disabled" },
  /** An administrator has deleted it: its identity is void for ever. */
  deleted: { closeCode: 4005, reason: "relay.deleted" },
  /** The hub could not reach the database: connect again, and send again what was not acked. */
  retry: { closeCode: 1013, reason: "database.unavailable" },
} as const satisfies Record<string, ControlClose>;
