/**
 * The certificates that relays show to clients: renewing those that we sign, and knowing those that
 * operators bring, so that console files name what the relay shows.
 */
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { OwnCertificate, RelayAnswer } from "#shared/control/relay-requests.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import {
  deleteOwnCertificate,
  findCertifiedRelay,
  findOwnCertificate,
  listEndingCertificates,
  markWarned,
  type RenewalCount,
  storeOwnCertificate,
  storeRenewedCertificate,
} from "../repositories/relay-certificates.ts";
import type { RelayRow } from "../repositories/relays.ts";
import { storeWithAudit } from "../repositories/store-with-audit.ts";
import { auditRecord, relayCaller, SYSTEM_CALLER } from "./audit-record.ts";
import { readAuthority } from "./authority-key.ts";
import { signRelayCertificate } from "./certificate-authority.ts";
import type { ServiceContext } from "./context.ts";
import { judgeOwnCertificate } from "./own-certificate.ts";

/**
 * Signs a certificate for the relay's present address and a key that it has made. Fails with
 * `relay.csr-invalid`, `relay.renewal-limited`, `authority.key-missing`, `authority.key-unreadable` or
 * `resource.not-found`.
 */
export async function renewRelayCertificate(
  context: ServiceContext,
  relayId: string,
  csr: string,
): Promise<Result<RelayAnswer, Failure>> {
  const { database, settings, randomBytes } = context;
  const nowMs = context.nowMs();
  const row = await findCertifiedRelay(database, relayId);
  if (row === null) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  const count = countRenewal(row, nowMs);
  if (count === null) {
    return fail(TOO_MANY_RENEWALS);
  }
  const authority = await readAuthority(context);
  if (!authority.ok) {
    return authority;
  }
  const request = { csr, name: row.name, host: row.host };
  const signed = await signRelayCertificate(authority.value, request, { nowMs, randomBytes });
  if (!signed.ok) {
    return signed;
  }
  const { certificate, hostSubject, serial, endsAtMs } = signed.value;
  const data = { serial, notAfter: new Date(endsAtMs).toISOString() };
  const event = { type: "relay.certificate-renewed", data } as const;
  const isStored = await storeRenewedCertificate(
    database,
    { before: row, certificate, hostSubject, certificateEndsAtMs: endsAtMs, count },
    auditRecord(context, relayCaller(relayId), event, { relayId }),
  );
  return isStored
    ? ok({ kind: "certificate", certificate, ca: settings.caCertificate, hostSubject })
    : fail(TOO_MANY_RENEWALS);
}

/**
 * Takes note of what the relay shows: its operator's certificate, or null for what we signed. The
 * certificate of before stays named when the new one cannot be. Fails with
 * `relay.certificate-unusable` or `resource.not-found`.
 * @param host where clients reach the relay, when it has just said so
 */
export async function noteShownCertificate(
  context: ServiceContext,
  relayId: string,
  shown: { readonly own: OwnCertificate | null; readonly host?: string | undefined },
): Promise<Result<RelayAnswer, Failure>> {
  const { database } = context;
  const caller = relayCaller(relayId);
  const [row, before] = await Promise.all([
    findCertifiedRelay(database, relayId),
    findOwnCertificate(database, relayId),
  ]);
  if (row === null) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  const { own } = shown;
  if (own === null) {
    if (before !== null) {
      const event = { type: "relay.certificate-reverted", data: {} } as const;
      const audit = auditRecord(context, caller, event, { relayId });
      await deleteOwnCertificate(database, relayId, audit);
    }
    return ok({ kind: "done" });
  }
  const nowMs = context.nowMs();
  const judged = await judgeOwnCertificate(own, shown.host ?? row.host, nowMs);
  if (!judged.ok) {
    const failure = { code: "relay.certificate-unusable", detail: judged.error } as const;
    const event = { type: "relay.certificate-refused", data: failure } as const;
    await storeWithAudit(database, [auditRecord(context, caller, event, { relayId })]);
    return fail(failure);
  }
  if (before?.chain !== own.chain || before.ca !== own.ca) {
    const { hostSubject, serial, endsAtMs } = judged.value;
    const data = {
      serial,
      subject: (hostSubject ?? "").slice(0, TEXT_CHARACTERS_MAX),
      notAfter: new Date(endsAtMs).toISOString(),
    };
    await storeOwnCertificate(
      database,
      { relayId, chain: own.chain, ca: own.ca, hostSubject, endsAtMs, reportedAtMs: nowMs },
      auditRecord(context, caller, { type: "relay.certificate-reported", data }, { relayId }),
    );
  }
  return ok({ kind: "done" });
}

/** The job: tells the audit trail of operators' certificates that end soon, each once. */
export async function warnOfEndingCertificates(context: ServiceContext): Promise<void> {
  const { database } = context;
  const atMs = context.nowMs();
  for (const { relayId, endsAtMs } of await listEndingCertificates(database, atMs + WARNING_MS)) {
    const data = { notAfter: new Date(endsAtMs).toISOString() };
    const event = { type: "relay.certificate-expiring", data } as const;
    const audit = auditRecord(context, SYSTEM_CALLER, event, { relayId });
    await markWarned(database, { relayId, endsAtMs, atMs }, audit);
  }
}

/** Null when the relay has had its share. */
function countRenewal(
  row: Pick<RelayRow, "renewals" | "renewalsSinceMs">,
  nowMs: number,
): RenewalCount | null {
  const sinceMs = row.renewalsSinceMs ?? 0;
  if (nowMs - sinceMs >= RENEWAL_WINDOW_MS) {
    return { renewals: 1, renewalsSinceMs: nowMs };
  }
  return row.renewals < RENEWALS_MAX
    ? { renewals: row.renewals + 1, renewalsSinceMs: sinceMs }
    : null;
}

/** An honest relay renews twice a year, and once more for each move to another address. */
export const RENEWALS_MAX = 10;
export const RENEWAL_WINDOW_MS = 24 * 3_600_000;
const TOO_MANY_RENEWALS: Failure = {
  code: "relay.renewal-limited",
  detail: `at most ${RENEWALS_MAX} certificates are signed for a relay in 24 hours`,
};
/** Time enough for an operator's authority and his holidays. */
const WARNING_MS = 21 * 24 * 3_600_000;
/** The audit trail's bound of a text. */
const TEXT_CHARACTERS_MAX = 1024;
