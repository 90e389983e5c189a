/**
 * Relay doubles, and sessions that live on them, as rows of a control plane's database: enrolled as
 * by the API, hundreds at once.
 */
import { createPrivateKey, randomBytes } from "node:crypto";
import { makeRelayKeys } from "../../../relay/control/relay-keys.ts";
import type { Secrets } from "../../../worker/dev/secrets.ts";
import { DEFAULT_SITE_ID } from "../../../worker/repositories/schema/sites.ts";
import { signRelayCertificate } from "../../../worker/services/certificate-authority.ts";
import { PREPARED_ADMIN_ID, type PreparedState, writeDatabase } from "../prepared-state.ts";
import type { DoubleIdentity } from "./relay-double.ts";

/** Sessions that live on each double from the start, each on a console of its own. */
const LIVING = ["first", "second", "third", "fourth"] as const;
export type LivingSession = (typeof LIVING)[number];

export function sessionOf(double: number, which: LivingSession): string {
  return `ses_double_${double}_${which}`;
}

/** The console of such a session; `free` has none. */
export function consoleOf(double: number, which: LivingSession | "free"): string {
  return `con_double_${double}_${which}`;
}

/** Writes so many doubles, offline, with their sessions. @param siteOf in which site each is */
export async function writeDoubles(
  { databaseFile, secrets }: PreparedState,
  count: number,
  siteOf: (double: number) => string = () => DEFAULT_SITE_ID,
): Promise<DoubleIdentity[]> {
  const nowMs = Date.now();
  const doubles = await Promise.all(
    Array.from({ length: count }, async (_, number) => await makeDouble(number, secrets, nowMs)),
  );
  writeDatabase(databaseFile, (database) => {
    database.exec(
      `INSERT INTO sources (id, name, kind, created_at_ms)
       VALUES ('src_doubles', 'doubles', 'static', ${nowMs})`,
    );
    const relay = database.prepare(
      `INSERT INTO relays (id, name, public_key, host, tls_port, certificate, host_subject,
         certificate_ends_at_ms, ticket_epoch, state, enrolled_at_ms, site_id)
       VALUES (?, ?, ?, ?, 5900, ?, ?, ?, 1, 'offline', ?, ?)`,
    );
    const console = database.prepare(
      `INSERT INTO consoles (id, source_id, uuid, name, host, port, created_at_ms, site_id)
       VALUES (?, 'src_doubles', ?, ?, 'hypervisor.example', 5900, ?, ?)`,
    );
    const session = database.prepare(
      `INSERT INTO sessions (id, console_id, user_id, relay_id, state, created_at_ms, opened_at_ms)
       VALUES (?, ?, '${PREPARED_ADMIN_ID}', ?, 'active', ?, ?)`,
    );
    for (const [number, { id, name, host, keys, certificate }] of doubles.entries()) {
      const site = siteOf(number);
      const { certificate: pem, hostSubject, endsAtMs } = certificate;
      relay.run([id, name, keys.publicKey, host, pem, hostSubject, endsAtMs, nowMs, site]);
      for (const which of [...LIVING, "free"] as const) {
        const consoleId = consoleOf(number, which);
        console.run([consoleId, consoleId, consoleId, nowMs, site]);
      }
      for (const which of LIVING) {
        const sessionId = sessionOf(number, which);
        session.run([sessionId, consoleOf(number, which), id, nowMs, nowMs]);
      }
    }
  });
  return doubles.map(({ id, keys }, number) => ({
    id,
    identityKey: createPrivateKey(keys.identityKey),
    living: LIVING.map((which) => ({
      sessionId: sessionOf(number, which),
      consoleId: consoleOf(number, which),
      userId: PREPARED_ADMIN_ID,
      shareId: null,
      issuedAtMs: nowMs,
    })),
  }));
}

/** In the form that tokens of relays are held to. */
function relayIdOf(number: number): string {
  return `rly_double${String(number).padStart(16, "0")}`;
}

async function makeDouble(number: number, secrets: Secrets, nowMs: number) {
  const name = `double-${number}`;
  const host = `${name}.example`;
  const keys = await makeRelayKeys(name);
  const certificate = await signRelayCertificate(
    { caCertificate: secrets.CA_CERTIFICATE, caKey: secrets.CA_KEY ?? "" },
    { csr: keys.csr, name, host },
    { nowMs, randomBytes: (count) => new Uint8Array(randomBytes(count)) },
  );
  if (!certificate.ok) {
    throw new Error(certificate.error.code);
  }
  return { id: relayIdOf(number), name, host, keys, certificate: certificate.value };
}
