/** When keys and certificates are changed, pure: before it must be, and not all relays at once. */

/** A certificate's life, in milliseconds since 1970. */
export interface CertificateLife {
  readonly beginsAtMs: number;
  readonly endsAtMs: number;
}

/**
 * When the certificate is to be renewed: before half of its life is over, so that the other half is
 * left for whatever keeps a relay from it.
 * @param chance a random number in [0, 1), the same for the life of this certificate
 */
export function renewalDueAtMs({ beginsAtMs, endsAtMs }: CertificateLife, chance: number): number {
  const part = DUE_FROM + (DUE_TO - DUE_FROM) * chance;
  return beginsAtMs + (endsAtMs - beginsAtMs) * part;
}

/** How long to wait after so many failures in a row: doubling, with jitter. */
export function retryDelayMs(failures: number, chance: number): number {
  const ceilingMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(failures - 1, 16));
  return ceilingMs * (0.5 + chance / 2);
}

/** Parts of a certificate's life. */
const DUE_FROM = 0.4;
const DUE_TO = 0.5;
/** Long enough for a control plane that starts again. */
const RETRY_MS_MIN = 60_000;
/** With half a life left, four to eight tries a day are plenty; ten are signed at most. */
const RETRY_MS_MAX = 6 * 3_600_000;
