/** Carries out what a linked relay asks for; the link itself has proved which relay asks. */
import { fail, type Result } from "#shared/base/result.ts";
import type { RelayAnswer, RelayRequest } from "#shared/control/relay-requests.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import type { ServiceContext } from "./context.ts";

/** Fails as each kind of request says. */
export async function serveRelayRequest(
  _context: ServiceContext,
  _relayId: string,
  _request: RelayRequest,
): Promise<Result<RelayAnswer, Failure>> {
  return await Promise.resolve(fail({ code: "internal.error", detail: "" } as const));
}
