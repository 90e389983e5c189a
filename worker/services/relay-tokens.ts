/** Verifies the token by which a relay proves itself: a JWT of a minute, signed by a key of its. */
import { importJWK, jwtVerify } from "jose";
import { fail, ok, type Result } from "#shared/base/result.ts";
import {
  RELAY_TOKEN_ALGORITHM,
  RELAY_TOKEN_TYPE,
  relayTokenClaimsSchema,
} from "#shared/control/enrolment.ts";
import { RELAY_CLOCK_SKEW_SECONDS, RELAY_TOKEN_SECONDS } from "#shared/control/limits.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import type { ServiceContext } from "./context.ts";

/**
 * Whether that key of that relay signed the token, for us and now. Fails with `relay.unauthorized`;
 * the detail is for operators and says which check failed, never what the token holds.
 */
export async function verifyRelayToken(
  context: Pick<ServiceContext, "settings" | "nowMs">,
  token: string,
  relay: { readonly relayId: string; readonly publicKey: string },
): Promise<Result<null, Failure>> {
  const jwk = { kty: "OKP", crv: "Ed25519", x: relay.publicKey };
  try {
    const { payload } = await jwtVerify(token, await importJWK(jwk, RELAY_TOKEN_ALGORITHM), {
      algorithms: [RELAY_TOKEN_ALGORITHM],
      typ: RELAY_TOKEN_TYPE,
      audience: context.settings.publicUrl,
      subject: relay.relayId,
      maxTokenAge: RELAY_TOKEN_SECONDS,
      clockTolerance: RELAY_CLOCK_SKEW_SECONDS,
      currentDate: new Date(context.nowMs()),
    });
    const claims = relayTokenClaimsSchema.safeParse(payload);
    return claims.success && claims.data.exp - claims.data.iat <= RELAY_TOKEN_SECONDS
      ? ok(null)
      : unauthorized("the token's claims are not those of a relay's token");
  } catch (error) {
    return unauthorized(error instanceof Error && "code" in error ? String(error.code) : "error");
  }
}

/** With a detail for operators. */
export function unauthorized(detail: string): Result<never, Failure> {
  return fail({ code: "relay.unauthorized", detail });
}
