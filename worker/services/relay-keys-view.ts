/** A relay's keys and certificate as admins see them: nothing of it is secret. */
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { findOwnCertificate } from "../repositories/relay-certificates.ts";
import { findRelay } from "../repositories/relays.ts";
import type { ServiceContext } from "./context.ts";
import { fingerprintOf } from "./relay-keys.ts";

export interface RelayKeysView {
  /** Of the key by which it proves itself, as its own log writes it. */
  readonly fingerprint: string;
  /** Of the key that it has offered and not used yet. */
  readonly nextFingerprint: string | null;
  readonly ticketEpoch: number;
  readonly certificate: {
    /** Signed by us, or its operator's own. */
    readonly kind: "issued" | "own";
    /** As console files name it; null: they name none, and clients go by the host's name. */
    readonly hostSubject: string | null;
    /** Milliseconds since 1970; null: not known until it is renewed. */
    readonly endsAtMs: number | null;
  };
}

/** Fails with `resource.not-found`. */
export async function viewRelayKeys(
  context: ServiceContext,
  relayId: string,
): Promise<Result<RelayKeysView, Failure>> {
  const [row, own] = await Promise.all([
    findRelay(context.database, relayId),
    findOwnCertificate(context.database, relayId),
  ]);
  if (row === null) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  const { publicKey, nextPublicKey, ticketEpoch } = row;
  return ok({
    fingerprint: await fingerprintOf(publicKey),
    nextFingerprint: nextPublicKey === null ? null : await fingerprintOf(nextPublicKey),
    ticketEpoch,
    certificate:
      own === null
        ? { kind: "issued", hostSubject: row.hostSubject, endsAtMs: row.certificateEndsAtMs }
        : { kind: "own", hostSubject: own.hostSubject, endsAtMs: own.endsAtMs },
  });
}
