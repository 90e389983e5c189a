/** The credential of one connection to the hub: a JWT that lives for a minute. */
import type { KeyObject } from "node:crypto";
import { SignJWT } from "jose";
import { toBase64Url } from "#shared/base/bytes.ts";
import type { RandomBytes } from "#shared/base/ids.ts";
import { RELAY_TOKEN_ALGORITHM, RELAY_TOKEN_TYPE } from "#shared/control/enrolment.ts";
import { RELAY_TOKEN_SECONDS } from "#shared/control/limits.ts";

/** Signs who we are, for this control plane, from now on for RELAY_TOKEN_SECONDS. */
export function signRelayToken(
  identity: {
    readonly relayId: string;
    readonly controlUrl: string;
    readonly identityKey: KeyObject;
  },
  nowMs: number,
  randomBytes: RandomBytes,
): Promise<string> {
  const issuedAtS = Math.floor(nowMs / 1000);
  return new SignJWT()
    .setProtectedHeader({
      alg: RELAY_TOKEN_ALGORITHM,
      typ: RELAY_TOKEN_TYPE,
      kid: identity.relayId,
    })
    .setIssuer(identity.relayId)
    .setSubject(identity.relayId)
    .setAudience(identity.controlUrl)
    .setIssuedAt(issuedAtS)
    .setExpirationTime(issuedAtS + RELAY_TOKEN_SECONDS)
    .setJti(toBase64Url(randomBytes(TOKEN_ID_BYTES)))
    .sign(identity.identityKey);
}

const TOKEN_ID_BYTES = 16;
