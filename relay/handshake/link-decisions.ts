/** What a link decides from facts alone: whom to ask for its session, what to offer, which server. */
import type { Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import {
  COMMON_CAPABILITY,
  type LinkCapabilities,
  offerFromServer,
  serverOffer,
  withoutCapability,
} from "#shared/spice/capabilities.ts";
import type { ChannelName } from "#shared/spice/channel-names.ts";
import type {
  AdmittedChannel,
  DialRoute,
  ForeseenSession,
  SessionClue,
} from "../sessions/ports.ts";
import type { ClientLink } from "./client-leg.ts";

/** What may tell of the session, the surest first: the way in, then the link message. */
export function cluesOf(
  told: SessionClue | null,
  link: Pick<ClientLink, "channel" | "connectionId">,
): SessionClue[] {
  const { channel, connectionId } = link;
  const own: SessionClue[] = channel === "main" ? [] : [{ kind: "connection-id", connectionId }];
  return told === null ? own : [told, ...own];
}

/**
 * What the client is offered: exactly what its server offers where that was reached (`null`: nobody
 * knew it; a failure: it was not), else what current servers offer.
 */
export function offerFor(
  channel: ChannelName,
  reached: Result<LinkCapabilities, Failure> | null,
): LinkCapabilities {
  return reached?.ok === true ? offerFromServer(reached.value) : serverOffer(channel);
}

/**
 * Whether the server that was reached for one session is the one to enter for the other. The
 * password is the admission's own, and is not sent before this is asked.
 */
export function isSameServer(
  foreseen: ForeseenSession,
  admitted: Pick<AdmittedChannel, "sessionId" | "target">,
): boolean {
  const [one, other] = [foreseen.target, admitted.target];
  return (
    foreseen.sessionId === admitted.sessionId &&
    ROUTE_FIELDS.every((field) => one[field] === other[field])
  );
}

/** The client's link as a server must see it when the client was not offered mini headers. */
export function withFullHeaders(link: ClientLink): ClientLink {
  const common = withoutCapability(link.capabilities.common, COMMON_CAPABILITY.MINI_HEADER);
  return { ...link, capabilities: { ...link.capabilities, common } };
}

const ROUTE_FIELDS = [
  "host",
  "port",
  "tlsPort",
  "ca",
  "hostSubject",
  "proxy",
] as const satisfies readonly (keyof DialRoute)[];
