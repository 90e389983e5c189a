/** Carries out what a linked relay asks for; the link itself has proved which relay asks. */
import { unreachable } from "#shared/base/assert.ts";
import type { Result } from "#shared/base/result.ts";
import type { RelayAnswer, RelayRequest } from "#shared/control/relay-requests.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import type { ServiceContext } from "./context.ts";
import { noteShownCertificate, renewRelayCertificate } from "./relay-certificates.ts";
import { takeKeyOffer, takeKeyUse } from "./relay-keys.ts";

/** Fails as each kind of request says. */
export async function serveRelayRequest(
  context: ServiceContext,
  relayId: string,
  request: RelayRequest,
): Promise<Result<RelayAnswer, Failure>> {
  switch (request.kind) {
    case "renew-certificate":
      return await renewRelayCertificate(context, relayId, request.csr);
    case "report-certificate":
      return await noteShownCertificate(context, relayId, { own: request.certificate });
    case "offer-key":
      return await takeKeyOffer(context, relayId, request);
    case "use-key":
      return await takeKeyUse(context, relayId, request.token);
    default:
      return unreachable(request);
  }
}
