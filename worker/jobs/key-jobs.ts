/** What the clock does for keys and certificates. */
import { warnOfEndingCertificates } from "../services/relay-certificates.ts";
import { keepSigningKeys } from "../services/signing-key-rotation.ts";
import type { Job } from "./jobs.ts";

const HOUR_MS = 3_600_000;

export const KEY_JOBS: readonly Job[] = [
  { name: "signing-keys", everyMs: HOUR_MS, run: keepSigningKeys },
  { name: "ending-certificates", everyMs: 24 * HOUR_MS, run: warnOfEndingCertificates },
];
