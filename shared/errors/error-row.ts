/** What the catalogue of failures says of each one, and short ways to write its rows. */

/** Whose fault: the caller, the hypervisor's side, the control plane or network to it, or ours. */
export type Fault = "client" | "backend" | "control" | "internal";

/** SPICE_LINK_ERR_* that the relay answers with (spice-protocol enums.h). */
export type SpiceErrorName =
  | "ERROR"
  | "INVALID_MAGIC"
  | "INVALID_DATA"
  | "VERSION_MISMATCH"
  | "NEED_SECURED"
  | "PERMISSION_DENIED"
  | "BAD_CONNECTION_ID"
  | "CHANNEL_NOT_AVAILABLE";

export interface ErrorRow {
  readonly fault: Fault;
  readonly retryable: boolean;
  /** Null: never an HTTP answer. */
  readonly httpStatus: number | null;
  /** Null: never a SPICE answer. */
  readonly spiceError: SpiceErrorName | null;
  /** One sentence that says what to do. */
  readonly hint: string;
}

/** Answered over HTTP alone. */
export const http = (
  fault: Fault,
  httpStatus: number,
  hint: string,
  retryable = httpStatus === 503,
): ErrorRow => ({ fault, retryable, httpStatus, spiceError: null, hint });

/** Answered over SPICE, or seen in logs and the audit trail alone. */
export const spice = (
  fault: Fault,
  spiceError: SpiceErrorName | null,
  hint: string,
  retryable = false,
): ErrorRow => ({ fault, retryable, httpStatus: null, spiceError, hint });

/** Between control plane and relay; answered over HTTP where a caller waits for the relay. */
export const link = (hint: string): ErrorRow => ({
  fault: "control",
  retryable: true,
  httpStatus: 503,
  spiceError: null,
  hint,
});
