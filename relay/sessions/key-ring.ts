/**
 * The keys that the control plane gave this relay: what authenticates tickets, unseals hypervisor
 * passwords and verifies grants. The control link replaces them; the data plane only reads. They
 * stay valid while the link is down, so that grants which were pushed go on working.
 */
import { type CryptoKey, importJWK } from "jose";
import { type Bytes, fromBase64Url } from "#shared/base/bytes.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Welcome } from "#shared/control/contract.ts";
import { GRANT_ALGORITHM } from "#shared/ticket/grant.ts";
import type { TicketKey } from "#shared/ticket/ticket.ts";

/** A public key that grants may be signed with. */
export interface GrantKey {
  readonly kid: string;
  readonly key: CryptoKey;
}

/** One consistent set of keys; never changed in place. */
export interface RelayKeys {
  readonly relayId: string;
  /** The newest epoch first, like the seal keys. */
  readonly ticketKeys: readonly TicketKey[];
  /** 32 bytes each. */
  readonly sealKeys: readonly Bytes[];
  readonly grantKeys: readonly GrantKey[];
  readonly grantIssuer: string;
}

/** Holds the present set of keys. */
export class KeyRing {
  #keys: RelayKeys | null = null;
  readonly #listeners = new Set<(keys: RelayKeys) => void>();

  /** The keys, or null before the first welcome: nothing can be verified yet. */
  current(): RelayKeys | null {
    return this.#keys;
  }

  /** Takes a new set as a whole; admissions under way finish with the one that they began with. */
  replace(keys: RelayKeys): void {
    this.#keys = keys;
    this.#listeners.forEach((listener) => listener(keys));
  }

  /** Whoever keeps what some key vouched for is told of each new set. */
  onReplace(listener: (keys: RelayKeys) => void): void {
    this.#listeners.add(listener);
  }
}

/** Reads the keys of a welcome; the failure names what is wrong and holds no key. */
export async function keysFromWelcome(
  welcome: Pick<Welcome, "ticketKeys" | "grantKeys" | "grantIssuer">,
  relayId: string,
): Promise<Result<RelayKeys, string>> {
  const ticketKeys: TicketKey[] = [];
  const sealKeys: Bytes[] = [];
  for (const row of welcome.ticketKeys) {
    const keyId = fromBase64Url(row.keyId);
    const key = fromBase64Url(row.key);
    const sealKey = fromBase64Url(row.sealKey);
    if (keyId?.length !== KEY_ID_BYTES || key === null || key.length < SECRET_BYTES) {
      return fail("a ticket key is malformed");
    }
    if (sealKey?.length !== SECRET_BYTES) {
      return fail("a seal key is malformed");
    }
    ticketKeys.push({ keyId, key });
    sealKeys.push(sealKey);
  }
  const grantKeys: GrantKey[] = [];
  for (const jwk of welcome.grantKeys) {
    const key = await importGrantKey(jwk);
    if (key === null) {
      return fail(`grant key ${jwk.kid.slice(0, 64)} is malformed`);
    }
    grantKeys.push({ kid: jwk.kid, key });
  }
  return ok({ relayId, ticketKeys, sealKeys, grantKeys, grantIssuer: welcome.grantIssuer });
}

async function importGrantKey(jwk: Welcome["grantKeys"][number]): Promise<CryptoKey | null> {
  try {
    const key = await importJWK({ ...jwk }, GRANT_ALGORITHM);
    return key instanceof Uint8Array ? null : key;
  } catch {
    return null;
  }
}

const KEY_ID_BYTES = 4;
const SECRET_BYTES = 32;
