/** What the clock does for keys and certificates. */
import { keepAuthorityKey } from "../services/authority-key.ts";
import { warnOfEndingCertificates } from "../services/relay-certificates.ts";
import { keepSigningKeys } from "../services/signing-key-rotation.ts";
import type { Job } from "./jobs.ts";

const HOUR_MS = 3_600_000;

export const KEY_JOBS: readonly Job[] = [
  {
    name: "rotate-signing-keys",
    everyMs: HOUR_MS,
    summary: "lets the next signing key follow one that has signed for long enough",
    run: keepSigningKeys,
  },
  {
    name: "keep-authority-key",
    everyMs: HOUR_MS,
    summary: "seals the certificate authority's key of the settings in the database",
    run: keepAuthorityKey,
  },
  {
    name: "warn-of-ending-certificates",
    everyMs: 24 * HOUR_MS,
    summary: "tells the audit trail of operators' certificates that end soon",
    run: warnOfEndingCertificates,
  },
];
