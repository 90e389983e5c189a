/**
 * SPICE without TLS: reads a client's link message and answers NEED_SECURED, on which clients turn
 * to the TLS port that they know of. Promises that nothing but a link error is ever answered; it
 * needs no key and no ticket.
 */
import type { Duplex } from "node:stream";
import { errorRow, type Failure } from "#shared/errors/catalogue.ts";
import {
  encodeLinkError,
  LINK_ERROR,
  LINK_HEADER_BYTES,
  parseLinkHeader,
  parseLinkMessage,
} from "#shared/spice/link.ts";
import { ByteSource } from "../handshake/byte-source.ts";
import { judgeLeg } from "../handshake/link-failure.ts";
import type { DataPlaneLimits } from "../limits.ts";
import type { Arrival } from "./arrival.ts";

/** Refuses the arrival, whatever it sends. */
export async function refusePlain(
  arrival: Arrival,
  stream: Duplex,
  limits: Pick<DataPlaneLimits, "clientPhaseDeadlineMs" | "refusalLingerMs">,
): Promise<void> {
  arrival.beginPhase("link", limits.clientPhaseDeadlineMs);
  const source = new ByteSource(stream);
  const judged = await judgeLeg("client", async () => {
    const header = parseLinkHeader(await source.read(LINK_HEADER_BYTES));
    parseLinkMessage(await source.read(header.sizeBytes));
  });
  source.release();
  const failure: Failure = judged.ok
    ? { code: "link.needs-secured", detail: "a link without TLS" }
    : judged.error;
  const { spiceError } = errorRow(failure.code);
  if (spiceError === null) {
    arrival.refuse(failure);
  } else {
    const bytes = encodeLinkError(LINK_ERROR[spiceError]);
    arrival.answer(failure, { stream, bytes, lingerMs: limits.refusalLingerMs });
  }
}
